//! Arrays of the crate ndarray: any rank, any view.

mod common;

use common::measure::assert_same;
use common::rng::{Data, Rng};
use lrn_jit::{LocalResponseNorm, LrnConfig, ShapeError};
use ndarray::{Array, Array1, Array2, Array3, Array4, ArrayD, ArrayView, Axis, Dimension, IxDyn, Slice, s};

fn array<D: Dimension>(shape: impl ndarray::ShapeBuilder<Dim = D>, seed: u64) -> Array<f32, D> {
    let shape = shape.into_shape_with_order();
    let elements = Data::Plain.draw(shape.size(), seed);
    Array::from_shape_vec(shape, elements).unwrap()
}

/// The elements in the order of a contiguous tensor.
fn logical<D: Dimension>(view: &ArrayView<'_, f32, D>) -> Vec<f32> {
    view.iter().copied().collect()
}

/// Both ways forward give the bits of a contiguous copy; gives the new array.
#[track_caller]
fn check<D: Dimension>(lrn: &LocalResponseNorm, x: ArrayView<'_, f32, D>) -> Array<f32, D> {
    let expected = lrn.forward(&logical(&x), x.shape()).unwrap();
    let what = format!("{:?} by {:?}", x.shape(), x.strides());
    let y = lrn.forward_view(x.view()).unwrap();
    assert_same(&logical(&y.view()), &expected, &what);
    let mut into = Array::from_elem(x.raw_dim(), -1.0);
    lrn.forward_view_into(x, into.view_mut()).unwrap();
    assert_same(&logical(&into.view()), &expected, &what);
    y
}

#[test]
fn every_rank_is_a_type_of_its_own() {
    let lrn = LrnConfig::new(4).alpha(3.0).build().unwrap();
    check(&lrn, array((6, 9), 1).view());
    check(&lrn, array((6, 9, 5), 1).view());
    check(&lrn, array((2, 9, 5, 4), 1).view());
    check(&lrn, array((2, 9, 5, 4, 3), 1).view());
    check(&lrn, array((2, 3, 2, 4, 3, 5), 1).view());
    check(&lrn, array(IxDyn(&[2, 3, 2, 4, 3, 5, 2]), 1).view());
}

/// What the new array's memory is like is what ndarray's `map` makes of it.
#[test]
fn the_output_lies_as_the_input_does() {
    let lrn = LrnConfig::new(4).alpha(3.0).build().unwrap();
    let x = array((3, 6, 5, 4), 2);
    let mut views = vec![
        x.view(),
        x.view().permuted_axes([0, 3, 1, 2]),
        x.view().permuted_axes([3, 2, 1, 0]),
        x.slice(s![.., ..;-1, .., ..]),
        x.slice(s![..;-1, .., .., ..;-1]),
        x.slice(s![1..2, .., .., ..]),
        x.slice(s![.., .., 2..3, ..]),
        x.slice(s![.., 1..3, .., ..]),
        x.slice(s![.., .., 1..4;2, 1..]),
        x.slice(s![2..2, .., .., ..]),
    ];
    let one_each = array((3, 1, 5, 1), 2);
    views.extend([one_each.view(), one_each.view().permuted_axes([1, 2, 3, 0])]);
    for view in views {
        let y = check(&lrn, view);
        let mapped = view.map(|&x| x);
        let strides = |array: &Array4<f32>| {
            let used =
                array.shape().iter().zip(array.strides()).filter(|&(&extent, _)| extent > 1 && !array.is_empty());
            used.map(|(_, &stride)| stride).collect::<Vec<_>>()
        };
        assert_eq!(strides(&y), strides(&mapped), "{:?} by {:?}", view.shape(), view.strides());
        assert_eq!(y.is_standard_layout(), mapped.is_standard_layout());
    }
}

#[test]
fn any_view() {
    let rng = &mut Rng::new(3);
    for _ in 0..500 {
        let rank = rng.between(2, 5);
        let shape: Vec<_> = (0..rank).map(|_| rng.between(1, 9)).collect();
        let x: ArrayD<f32> = array(IxDyn(&shape), rng.next());
        let mut view = x.view();
        for axis in 0..rank {
            let first = rng.below(view.shape()[axis]).min(rng.below(3));
            let step = rng.pick(&[1, 1, 1, 2, -1, -2]);
            view.slice_axis_inplace(Axis(axis), Slice::new(first.cast_signed(), None, step));
            view.swap_axes(axis, rng.below(rank));
        }
        let axis = rng.below(2 * rank).cast_signed() - rank.cast_signed();
        let lrn = LrnConfig::new(rng.between(1, 6)).alpha(3.0).channel_axis(axis).build().unwrap();
        check(&lrn, view.view());
        // Along a new axis all elements are the same.
        let broadcast = view.view().insert_axis(Axis(0));
        let mut wide = vec![3];
        wide.extend(view.shape());
        if axis < 0 {
            check(&lrn, broadcast.broadcast(wide).unwrap());
        }
    }
}

/// The two halves lie between one another; each is written alone.
#[test]
fn views_between_the_elements_of_others() {
    let lrn = LrnConfig::new(5).alpha(3.0).build().unwrap();
    let x = array((4, 8, 6, 10), 4);
    let mut y = Array4::from_elem((4, 8, 6, 10), -1.0);
    let (mut left, right) = y.view_mut().split_at(Axis(3), 5);
    let (from, to) = x.view().split_at(Axis(3), 5);
    std::thread::scope(|scope| {
        scope.spawn(|| lrn.forward_view_into(from, left.view_mut()).unwrap());
        lrn.forward_view_into(to, right).unwrap();
    });
    assert_same(&logical(&y.view()), &lrn.forward(&logical(&x.view()), x.shape()).unwrap(), &"halves");
    let before = y.clone();
    lrn.forward_view_into(x.slice(s![.., .., 1..4, ..;-2]), y.slice_mut(s![.., .., 2..5, 1..;2])).unwrap();
    for ((n, c, h, w), &y) in y.indexed_iter() {
        let written = (2..5).contains(&h) && w % 2 == 1;
        let [from, h, w] = if written { [1, h - 1, 10 - w] } else { [0, h, w] };
        let expected = if from == 1 {
            lrn.forward(&logical(&x.slice(s![n..=n, .., h..=h, w..=w])), &[1, 8, 1, 1]).unwrap()[c]
        } else {
            before[(n, c, h, w)]
        };
        assert_eq!(y.to_bits(), expected.to_bits());
    }
}

#[cfg(feature = "rayon")]
#[test]
fn threads_give_the_same_bits() {
    let lrn = LrnConfig::new(5).alpha(3.0).build().unwrap();
    let x = array((9, 64, 30, 30), 5);
    let on = lrn.with_executor(&lrn_jit::CurrentRayon);
    for view in [x.view(), x.slice(s![.., .., 1.., 2..]), x.view().permuted_axes([0, 2, 3, 1])] {
        let y = on.forward_view(view).unwrap();
        assert_same(&logical(&y.view()), &logical(&lrn.forward_view(view).unwrap().view()), &"a view");
        let mut into = Array4::zeros(view.raw_dim());
        on.forward_view_into(view, into.view_mut()).unwrap();
        assert_same(&logical(&into.view()), &logical(&y.view()), &"into another");
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let lrn = LocalResponseNorm::new(5).unwrap();
    let error = lrn.forward_view(Array1::<f32>::ones(4).view()).unwrap_err();
    assert_eq!(error, ShapeError::Rank { rank: 1, shape: vec![4] });
    let mut y = Array2::from_elem((3, 4), -1.0);
    let error = lrn.forward_view_into(Array2::ones((4, 3)).view(), y.view_mut()).unwrap_err();
    assert_eq!(error, ShapeError::Shapes { input: vec![4, 3], output: vec![3, 4] });
    let last = LrnConfig::new(5).channel_axis(2).build().unwrap();
    let error = last.forward_view_into(Array2::ones((3, 4)).view(), y.view_mut()).unwrap_err();
    assert_eq!(error, ShapeError::ChannelAxis { axis: 2, rank: 2 });
    assert!(y.iter().all(|&y| y == -1.0));
    assert_eq!(last.forward_view(Array3::<f32>::zeros((0, 5, 3)).view()).unwrap().shape(), [0, 5, 3]);
}
