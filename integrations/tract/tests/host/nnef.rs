//! Files: a model with compiled operators is written as tract's own.

use tract_nnef::internal::Nnef;
use tract_onnx::prelude::*;
use tract_onnx_opl::lrn::Lrn;

use crate::models::{LRN, assert_close, model, numbers_of, operators, output, relu};

#[test]
fn what_is_written_is_read_by_any_tract() -> TractResult<()> {
    let shape = [1, 8, 4, 4];
    let mut original = model(f32::fact(shape), |model, x| {
        let x = relu(model, "relu", x)?;
        let x = model.wire_node("first", LRN, &[x])?[0];
        model.wire_node("second", Lrn { size: 4, alpha: 0.3, beta: 0.6, bias: 1.5 }, &[x])
    })?;
    let input = numbers_of(&shape, 6)?;
    let expected = output(&original, &input)?;
    lrn_jit_tract::accelerate(&mut original)?;
    let ours = Nnef::default().with_registry(lrn_jit_tract::registry());
    let file = ours.write_to_tar(&original, vec![])?;

    let plain = Nnef::default().with_onnx();
    let mut read = plain.model_for_read(&mut &file[..])?.into_decluttered()?;
    assert_close(&output(&read, &input)?, &expected, 1e-9);
    assert_eq!(lrn_jit_tract::accelerate(&mut read)?, 2);
    assert_eq!(operators(&read)?, ["CompiledReluLrn", "CompiledLrn"]);
    assert_eq!(output(&read, &input)?, output(&original, &input)?);

    assert!(plain.write_to_tar(&original, vec![]).is_err());
    Ok(())
}
