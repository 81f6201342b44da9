//! The adapter in tract itself: values against tract's own operator, graphs, threads, files.

mod graphs;
mod models;
mod nnef;
mod threads;
mod values;
