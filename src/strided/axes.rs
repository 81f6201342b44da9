//! [`Axes`]: two layouts of one shape, made as simple as they can be: as few axes as possible, in the order of the output's
//! memory.

/// An axis along which input and output are walked together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Axis {
    pub(super) extent: usize,
    /// Elements from one index to the next.
    pub(super) input: isize,
    pub(super) output: isize,
    /// Where windows extend over it: after how many others its sums are made.
    pub(super) window: Option<usize>,
}

/// Axes from the outermost in the output's memory to the innermost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Axes {
    pub(super) list: Vec<Axis>,
    /// How far the new index 0 is from the old one, in input and output.
    pub(super) first: (isize, isize),
}

impl Axes {
    /// The axes of a shape whose elements all lie within memory, the output's nowhere upon one another. `windows` in the order
    /// of their sums; one at least, unless there are no axes.
    pub(super) fn new(shape: &[usize], input: &[isize], output: &[isize], windows: &[usize]) -> Self {
        let window = |i| windows.iter().position(|&window| window == i);
        let axis = |i| Axis { extent: shape[i], input: input[i], output: output[i], window: window(i) };
        let mut list: Vec<_> = (0..shape.len()).filter(|&i| shape[i] != 1).map(axis).collect();
        if list.iter().any(|axis| axis.extent == 0) {
            let empty = |order| Axis { extent: 0, input: 1, output: 1, window: Some(order) };
            return Self { list: (0..windows.len().max(1)).map(empty).collect(), first: (0, 0) };
        }
        let first = upright(&mut list);
        list.sort_by_key(|axis| std::cmp::Reverse(axis.output.unsigned_abs()));
        merge(&mut list);
        for (order, _) in windows.iter().enumerate().filter(|&(_, &i)| shape[i] == 1) {
            list.push(Axis { extent: 1, input: 1, output: 1, window: Some(order) });
        }
        if windows.is_empty() {
            // One element, without an axis.
            list.push(Axis { extent: 1, input: 1, output: 1, window: Some(0) });
        }
        Self { list, first }
    }

    /// The outermost axis that windows extend over.
    pub(super) fn first_window(&self) -> usize {
        self.list.iter().position(|axis| axis.window.is_some()).expect("windows extend over an axis")
    }

    /// The first of the inner axes along which neither input nor output has a gap, or another order.
    pub(super) fn dense_from(&self) -> usize {
        let mut elements = 1;
        let dense = |axis: &&Axis| {
            let dense = axis.input == elements && axis.output == elements;
            elements *= axis.extent.cast_signed();
            dense
        };
        self.list.len() - self.list.iter().rev().take_while(dense).count()
    }
}

/// Turns axes around whose output runs backwards, where the order does not matter: that of windows stays.
fn upright(list: &mut [Axis]) -> (isize, isize) {
    let mut first = (0, 0);
    for axis in list.iter_mut().filter(|axis| axis.output < 0 && axis.window.is_none()) {
        let last = axis.extent.cast_signed() - 1;
        first = (first.0 + last * axis.input, first.1 + last * axis.output);
        (axis.input, axis.output) = (-axis.input, -axis.output);
    }
    first
}

/// Makes one axis of two where the outer one goes on where the inner one ends.
fn merge(list: &mut Vec<Axis>) {
    list.dedup_by(|inner, outer| {
        let extent = inner.extent.cast_signed();
        let goes_on = outer.input == inner.input * extent && outer.output == inner.output * extent;
        let merges = goes_on && inner.window.is_none() && outer.window.is_none();
        if merges {
            *outer = Axis { extent: outer.extent * inner.extent, ..*inner };
        }
        merges
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes(shape: &[usize], input: &[isize], output: &[isize], window: usize) -> (Vec<[isize; 3]>, usize) {
        let axes = Axes::new(shape, input, output, &[window]);
        (axes.list.iter().map(|a| [a.extent.cast_signed(), a.input, a.output]).collect(), axes.first_window())
    }

    #[test]
    fn a_permuted_pair_is_contiguous_again() {
        // NHWC memory seen as NCHW.
        let (shape, strides) = ([2, 3, 4, 5], [60, 1, 15, 3]);
        assert_eq!(axes(&shape, &strides, &strides, 1), (vec![[40, 3, 3], [3, 1, 1]], 1));
        let axes = Axes::new(&shape, &strides, &strides, &[1]);
        assert_eq!(axes.dense_from(), 0);
    }

    #[test]
    fn gaps_stay_outside() {
        // Channels 1 and 2 of four, whole planes.
        let (list, channel_axis) = axes(&[6, 2, 3, 5], &[60, 15, 5, 1], &[30, 15, 5, 1], 1);
        assert_eq!((list, channel_axis), (vec![[6, 60, 30], [2, 15, 15], [15, 1, 1]], 1));
        assert_eq!(Axes::new(&[6, 2, 3, 5], &[60, 15, 5, 1], &[30, 15, 5, 1], &[1]).dense_from(), 1);
    }

    #[test]
    fn flips_are_undone_but_for_channels() {
        let axes = Axes::new(&[4, 5], &[5, 1], &[5, -1], &[0]);
        assert_eq!(axes.first, (4, -4));
        assert_eq!(axes.list[1], Axis { extent: 5, input: -1, output: 1, window: None });
        let axes = Axes::new(&[4, 5], &[5, 1], &[5, -1], &[1]);
        assert_eq!(axes.first, (0, 0));
        assert_eq!(axes.list[1].output, -1);
    }

    #[test]
    fn one_channel_and_none() {
        assert_eq!(axes(&[4, 1, 6], &[6, 99, 1], &[6, -7, 1], 1), (vec![[24, 1, 1], [1, 1, 1]], 1));
        assert_eq!(axes(&[1, 1], &[0, 0], &[0, 0], 0), (vec![[1, 1, 1]], 0));
        assert_eq!(axes(&[usize::MAX, 0, usize::MAX], &[9; 3], &[9; 3], 1), (vec![[0, 1, 1]], 0));
    }
    #[test]
    fn windows_keep_their_order_wherever_they_lie() {
        // Columns of the image are the rows of memory.
        let axes = Axes::new(&[3, 4, 5], &[20, 1, 4], &[20, 1, 4], &[2, 1]);
        let windows: Vec<_> = axes.list.iter().map(|axis| (axis.extent, axis.window)).collect();
        assert_eq!(windows, [(3, None), (5, Some(0)), (4, Some(1))]);
        let axes = Axes::new(&[1, 6], &[7, 1], &[9, 1], &[1, 0]);
        let windows: Vec<_> = axes.list.iter().map(|axis| (axis.extent, axis.window)).collect();
        assert_eq!((windows, axes.dense_from()), (vec![(6, Some(0)), (1, Some(1))], 0));
    }
}
