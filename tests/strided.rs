//! Tensors that are not contiguous: the bits of a contiguous copy, and nothing else written.

mod common;

use common::case::Settings;
use common::measure::assert_same;
use common::place::{Place, shape};
use common::rng::{Data, Rng};
use lrn_jit::{Backend, Layout, LocalResponseNorm, LrnConfig, ShapeError};

/// What fills the output before: elements outside the layout keep it.
const CANARY: f32 = -1234.5;

/// The layer gives the bits of a contiguous copy, at the layout's elements and nowhere else.
fn check(lrn: &LocalResponseNorm, x: &[f32], from: &Place, to: &Place, what: &dyn std::fmt::Display) {
    let gathered: Vec<_> = from.elements().into_iter().map(|element| x[element]).collect();
    let normalized = lrn.forward(&gathered, &from.shape).unwrap();
    let mut expected = vec![CANARY; to.length];
    for (element, y) in to.elements().into_iter().zip(normalized) {
        expected[element] = y;
    }
    let mut y = vec![CANARY; to.length];
    lrn.forward_strided(x, &from.layout(), &mut y, &to.layout()).unwrap();
    assert_same(&y, &expected, what);
}

#[test]
fn any_layout_gives_the_bits_of_a_copy() {
    let rng = &mut Rng::new(1);
    let settings = [
        Settings::torch(5, 1.0, 0.75, 1.0),
        Settings::torch(4, 10.0, 0.6, 0.01),
        Settings::torch(3, 2.0, 1.0, 0.5),
        Settings::torch(40, 1.0, 0.75, 1.0),
        Settings { boundary: lrn_jit::Boundary::Wrap, ..Settings::torch(6, 3.0, 0.75, 1.0) },
    ];
    let mut runs = 0;
    for settings in &settings {
        let keep = settings.layer::<f32>(Backend::Jit, 1);
        for _ in 0..400 {
            let most = rng.pick(&[200, 3000, 30_000, 120_000]);
            let shape = shape(rng, most);
            let axis = rng.below(2 * shape.len()).cast_signed() - shape.len().cast_signed();
            let lrn = settings.layer(Backend::Jit, axis);
            let to = Place::draw(rng, &shape, false);
            // Every third time both lie alike.
            let from = if rng.one_in(3) { to.clone() } else { Place::draw(rng, &shape, true) };
            let x = Data::Rare.draw(from.length, rng.next());
            check(&lrn, &x, &from, &to, &format_args!("{settings:?}, axis {axis}, {from:?} to {to:?}"));
            runs += 1;
        }
        drop(keep);
    }
    assert_eq!(runs, 2000);
}

#[test]
fn every_backend() {
    let rng = &mut Rng::new(2);
    for backend in [Backend::Interpreter, Backend::Generic, Backend::GenericPowf, Backend::Reference] {
        for _ in 0..40 {
            let shape = shape(rng, 2000);
            let axis = rng.below(shape.len()).cast_signed();
            let lrn = LrnConfig::new(4).alpha(3.0).channel_axis(axis).backend(backend).build().unwrap();
            let (from, to) = (Place::draw(rng, &shape, true), Place::draw(rng, &shape, false));
            let x = Data::Plain.draw(from.length, rng.next());
            check(&lrn, &x, &from, &to, &format_args!("{backend}, axis {axis}, {from:?} to {to:?}"));
        }
    }
}

/// Layouts with a name, large enough that tensors inside them are worked on where they lie.
#[test]
fn usual_views() {
    let lrn = LrnConfig::new(5).alpha(2.0).build().unwrap();
    let place = |shape: [usize; 4], strides: [isize; 4], offset, length| Place {
        shape: shape.to_vec(),
        strides: strides.to_vec(),
        offset,
        length,
    };
    // 30×30 planes: an image is more than a tile.
    let (side, plane, image) = (30, 900, 96 * 900_isize);
    let (planes, last) = ([image, plane, side, 1], [image, 1, side * 96, 96]);
    let length = 3 * image.cast_unsigned();
    let flat = [image, plane, -side, 1];
    let views = [
        ("contiguous", place([3, 96, 30, 30], planes, 0, length)),
        ("NHWC memory", place([3, 96, 30, 30], last, 0, length)),
        ("planes on their side", place([3, 96, 30, 30], [image, plane, 1, side], 0, length)),
        ("the middle", place([3, 96, 28, 28], planes, 31, length)),
        ("the middle of NHWC", place([3, 96, 28, 28], last, 31 * 96, length)),
        ("some channels", place([3, 40, 30, 30], planes, 7 * 900, length)),
        ("some channels of NHWC", place([3, 40, 30, 30], last, 7, length)),
        ("the last rows first", place([3, 96, 30, 30], flat, 29 * 30, length)),
        ("the last columns first", place([3, 96, 30, 30], [image, plane, side, -1], 29, length)),
        ("the last channels first", place([3, 96, 30, 30], [image, -plane, side, 1], 95 * 900, length)),
        ("one image thrice", place([3, 96, 30, 30], [0, plane, side, 1], 0, length / 3)),
        ("one column everywhere", place([3, 96, 30, 30], [0, 1, 0, 0], 5, 101)),
        ("every other image", place([2, 96, 30, 30], [2 * image, plane, side, 1], 0, length)),
    ];
    for (name, from) in &views {
        let x = Data::Plain.draw(from.length, 3);
        for (other, to) in &views {
            if to.shape == from.shape && !to.strides.contains(&0) {
                check(&lrn, &x, from, to, &format_args!("from {name} to {other}"));
            }
        }
        // Into a tensor of its own.
        let strides: Vec<_> = Layout::contiguous(&from.shape).strides().into_owned();
        let own = Place { shape: from.shape.clone(), strides, offset: 0, length: from.shape.iter().product() };
        check(&lrn, &x, from, &own, name);
    }
}

#[test]
fn contiguous_layouts_are_what_forward_takes() {
    let lrn = LocalResponseNorm::new(5).unwrap();
    let shape = [3, 7, 2, 5];
    let x = Data::Plain.draw(210, 1);
    let mut y = vec![CANARY; 215];
    let layout = Layout::contiguous(&shape);
    assert_eq!((layout.shape(), &*layout.strides(), layout.offset()), (&shape[..], &[70, 10, 5, 1][..], 0));
    assert_eq!((*layout.at(5).strides()).len(), 4);
    lrn.forward_strided(&x, &layout, &mut y, &layout.at(5)).unwrap();
    assert_same(&y[5..], &lrn.forward(&x, &shape).unwrap(), &"at 5");
    assert_eq!(y[..5], [CANARY; 5]);
}

#[cfg(feature = "rayon")]
#[test]
fn threads_give_the_same_bits() {
    let lrn = LrnConfig::new(5).alpha(2.0).build().unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let shape = [5, 64, 40, 40];
    let x = Data::Plain.draw(8 * 64 * 42 * 42, 4);
    let images = 64 * 42 * 42;
    for (name, strides) in [
        // Tiles; tensors dealt out to the threads; tensors that are each cut for the threads.
        ("the middle", [images, 42 * 42, 42, 1]),
        ("gaps between images", [64 * 1600 + 9, 1600, 40, 1]),
        ("gaps between halves", [64 * 1600 * 2, 1600, 40, 1]),
    ] {
        let shape = if name == "gaps between halves" { [2, 200, 40, 40] } else { shape };
        let strides = if name == "gaps between halves" { [200 * 1600 + 1, 1600, 40, 1] } else { strides };
        let layout = Layout::strided(&shape, &strides).at(1);
        let mut y = [vec![CANARY; x.len()], vec![CANARY; x.len()]];
        lrn.forward_strided(&x, &layout, &mut y[0], &layout).unwrap();
        pool.install(|| lrn.with_executor(&lrn_jit::CurrentRayon).forward_strided(&x, &layout, &mut y[1], &layout))
            .unwrap();
        assert_same(&y[0], &y[1], &name);
        assert_eq!(y[0][0], CANARY);
    }
}

#[test]
fn empty_tensors_write_nothing() {
    let lrn = LocalResponseNorm::new(5).unwrap();
    for shape in [[0, 3, 4], [2, 0, 4], [2, 3, 0], [usize::MAX, 0, usize::MAX], [0, usize::MAX, usize::MAX]] {
        for strides in [[0; 3], [isize::MIN, 5, isize::MAX], [1, 1, 1]] {
            let mut y = [CANARY; 4];
            let layout = Layout::strided(&shape, &strides).at(usize::MAX);
            assert_eq!(lrn.forward_strided(&[], &layout, &mut y, &layout), Ok(()), "{layout:?}");
            assert_eq!(lrn.forward_strided(&[1.0], &Layout::contiguous(&shape), &mut y, &layout), Ok(()));
            assert_eq!(y, [CANARY; 4]);
        }
    }
}

/// The error, its text, and an untouched output.
#[track_caller]
fn refused(x: (&[f32], Layout<'_>), y: (usize, Layout<'_>), expected: &ShapeError, text: &str) {
    let lrn = LocalResponseNorm::new(5).unwrap();
    let mut output = vec![CANARY; y.0];
    assert_eq!(lrn.forward_strided(x.0, &x.1, &mut output, &y.1).as_ref(), Err(expected));
    assert_eq!(expected.to_string(), text);
    assert!(output.iter().all(|&y| y == CANARY));
}

#[test]
fn shapes_and_strides_that_do_not_fit() {
    let x = [1.0; 24];
    let (good, shape) = (Layout::contiguous(&[2, 3, 4]), vec![2, 3, 4]);
    let other = [2, 4, 3];
    let error = ShapeError::Shapes { input: shape.clone(), output: other.to_vec() };
    let text = "input and output must have the same shape, got [2, 3, 4] and [2, 4, 3]";
    refused((&x, good), (24, Layout::contiguous(&other)), &error, text);
    for strides in [&[12, 4][..], &[12, 4, 1, 1], &[]] {
        let bad = Layout::strided(&[2, 3, 4], strides);
        for (what, x_layout, y_layout) in [("input", bad, good), ("output", good, bad)] {
            let error = ShapeError::Strides { what, strides: strides.to_vec(), shape: shape.clone() };
            let text = format!("{what} has {} strides ({strides:?}), but the shape [2, 3, 4] needs 3", strides.len());
            refused((&x, x_layout), (24, y_layout), &error, &text);
        }
    }
    let vector = Layout::contiguous(&[24]);
    let text = "the shape must have rank 2 or more, got rank 1 ([24])";
    refused((&x, vector), (24, vector), &ShapeError::Rank { rank: 1, shape: vec![24] }, text);
    let huge = [usize::MAX, 2];
    let text = format!("the shape {huge:?} has more elements than memory can hold");
    let layout = Layout::strided(&huge, &[0, 0]);
    refused((&x, layout), (24, layout), &ShapeError::Overflow { shape: huge.to_vec() }, &text);
    let lrn = LrnConfig::new(5).channel_axis(-4).build().unwrap();
    let error = ShapeError::ChannelAxis { axis: -4, rank: 3 };
    assert_eq!(lrn.forward_strided(&x, &good, &mut [0.0; 24], &good), Err(error));
}

#[test]
fn layouts_that_leave_their_slice() {
    let x = [1.0; 24];
    let shape = [2, 3, 4];
    let good = Layout::contiguous(&shape);
    for (strides, offset, first, last) in [
        ([12, 4, 1], 1, 1, 24),
        ([12, 4, 2], 0, 0, 26),
        ([-12, 4, 1], 11, -1, 22),
        ([-12, -4, -1], 23, 0, 23),
        ([-12, -4, -1], 22, -1, 22),
        ([12, 4, 1], 1 << 40, 1 << 40, (1 << 40) + 23),
    ] {
        let bad = Layout::strided(&shape, &strides).at(offset);
        for (what, x_layout, y_layout) in [("input", bad, good), ("output", good, bad)] {
            if (first, last) == (0, 23) {
                let lrn = LocalResponseNorm::new(5).unwrap();
                assert_eq!(lrn.forward_strided(&x, &x_layout, &mut [0.0; 24], &y_layout), Ok(()));
                continue;
            }
            let error = ShapeError::Bounds { what, first, last, length: 24 };
            let text =
                format!("{what} reaches from element {first} to element {last}, but its slice has 24, numbered from 0");
            refused((&x, x_layout), (24, y_layout), &error, &text);
        }
    }
    for (strides, offset) in
        [([isize::MAX, 4, 1], 1), ([isize::MIN, -4, 1], 0), ([12, isize::MAX / 2 + 1, 1], 0), ([12, 4, 1], usize::MAX)]
    {
        let bad = Layout::strided(&shape, &strides).at(offset);
        for (what, x_layout, y_layout) in [("input", bad, good), ("output", good, bad)] {
            let error = ShapeError::Address { what, shape: shape.to_vec(), strides: strides.to_vec(), offset };
            let text = format!(
                "{what} reaches further than an address can: shape [2, 3, 4], strides {strides:?}, offset {offset}"
            );
            refused((&x, x_layout), (24, y_layout), &error, &text);
        }
    }
}

#[test]
fn outputs_that_lie_upon_themselves() {
    let x = [1.0; 24];
    let shape = [2, 3, 4];
    let good = Layout::contiguous(&shape);
    for (strides, axis, extent, least) in [
        ([0, 4, 1], 0, 2, 1),
        ([12, 3, 1], 1, 3, 4),
        ([11, 4, 1], 0, 2, 12),
        ([-8, 2, 6], 0, 2, 23),
        ([4, 8, 0], 2, 4, 1),
        ([1, 1, 20], 1, 3, 2),
    ] {
        let stride = strides[axis];
        let layout = Layout::strided(&shape, &strides).at(8);
        let error = ShapeError::Overlap { axis, extent, stride, least };
        let text = format!(
            "output elements may lie upon one another: axis {axis} (extent {extent}) has stride {stride}, but axes of \
             smaller strides need it to be at least {least}, or at most -{least}"
        );
        refused((&x, good), (100, layout), &error, &text);
        // An input may.
        let lrn = LocalResponseNorm::new(5).unwrap();
        let input = vec![1.0; 100];
        assert_eq!(lrn.forward_strided(&input, &layout, &mut [0.0; 24], &good), Ok(()));
    }
}
