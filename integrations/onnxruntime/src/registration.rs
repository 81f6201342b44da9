//! What a runtime is given when it loads this library: operators, and two domains of them.

use std::ffi::CStr;
use std::ptr;
use std::sync::{Mutex, PoisonError};

use half::{bf16, f16};
use ort_sys::{OrtApi, OrtApiBase, OrtCustomOpDomain, OrtSessionOptions, OrtStatusPtr};

use crate::error::{Error, border};
use crate::host::check;
use crate::operator::Operator;

/// ONNX's domain, and our own.
const DOMAINS: [&CStr; 2] = [c"", c"lrn_jit"];

/// Operators that call one runtime's functions, and domains that hold them. Made when that runtime first asks, for all of its
/// sessions.
struct Registration {
    api: &'static OrtApi,
    domains: [*mut OrtCustomOpDomain; 2],
}

// SAFETY: the pointers are the runtime's, which only reads what they point to once a domain is complete.
unsafe impl Send for Registration {}

static REGISTRATIONS: Mutex<Vec<Registration>> = Mutex::new(Vec::new());

/// Adds the domains to a session's options.
///
/// # Safety
///
/// As [`RegisterCustomOps`](crate::RegisterCustomOps).
pub unsafe fn register(options: *mut OrtSessionOptions, base: *const OrtApiBase) -> OrtStatusPtr {
    // SAFETY: the base is the runtime's.
    let base = unsafe { &*base };
    // SAFETY: any version may be asked for. What is given is null or the runtime's table of that version, which is static.
    let of_version = |version| unsafe { (base.GetApi)(version).as_ref() };
    let api: Option<&'static OrtApi> = of_version(ort_sys::ORT_API_VERSION);
    let Some(api) = api else {
        // Every table begins with what makes a status.
        let first = of_version(1);
        return first.map_or(OrtStatusPtr::default(), |first| border(first, || Err(Error::OldRuntime)));
    };
    border(api, || {
        let mut registrations = REGISTRATIONS.lock().unwrap_or_else(PoisonError::into_inner);
        let found = registrations.iter().position(|registration| ptr::eq(registration.api, api));
        let index = match found {
            Some(index) => index,
            None => {
                registrations.push(Registration::new(api)?);
                registrations.len() - 1
            }
        };
        registrations[index].domains.into_iter().try_for_each(|domain| {
            // SAFETY: options and domain are the runtime's and alive.
            check(api, unsafe { (api.AddCustomOpDomain)(options, domain) })
        })
    })
}

impl Registration {
    fn new(api: &'static OrtApi) -> Result<Self, Error> {
        // As long as this library: the runtime's sessions hold on to both.
        let operators: &'static [Operator; 4] = Box::leak(Box::new([
            Operator::new::<f32>(api),
            Operator::new::<f64>(api),
            Operator::new::<f16>(api),
            Operator::new::<bf16>(api),
        ]));
        let mut domains = [ptr::null_mut(); 2];
        for (name, domain) in DOMAINS.iter().zip(&mut domains) {
            // SAFETY: the name is static and ends with a zero, and there is room for a pointer.
            check(api, unsafe { (api.CreateCustomOpDomain)(name.as_ptr(), domain) })?;
            for operator in operators {
                // SAFETY: the domain was just made; the table is static.
                check(api, unsafe { (api.CustomOpDomain_Add)(*domain, operator.table()) })?;
            }
        }
        Ok(Self { api, domains })
    }
}
