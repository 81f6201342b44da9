// lrn_jit.h: Local Response Normalization (LRN) compiled for its parameters. Made by cbindgen; do not edit.
//
//     y[n,c,s] = x[n,c,s] * (k + a * sum of x[n,j,s]^2)^(-beta),   j from c - before to c + after,   a = alpha / divisor
//
// A configuration is made, filled and built for an element type; the layer that results is called on buffers and freed:
//
//     lrn_jit_config *config = lrn_jit_config_new(5);
//     lrn_jit_layer *layer = NULL;
//     if (lrn_jit_build(config, LRN_JIT_TYPE_F32, &layer) ||
//         lrn_jit_forward(layer, shape, 4, x, sizeof x, y, sizeof y, NULL))
//         fprintf(stderr, "%s\n", lrn_jit_last_error());
//     lrn_jit_layer_free(layer);
//     lrn_jit_config_free(config);
//
// Errors. Every function gives a status, 0 for success, or a pointer, NULL for failure; lrn_jit_last_error says what was wrong. A NULL
// where none is allowed, an unknown constant, a wrong length, an overlap are such errors. What cannot be checked is the caller's
// to keep to: a pointer that is not NULL is to memory as long as is said; a handle is one of this library's, not freed.
//
// Threads. A layer never changes: any number of threads may call it at once. A configuration is used by one thread at a time. What a
// call writes nobody else may use meanwhile. The library starts no threads.
//
// Any alignment that the element type allows is fine; the bits of results depend on nothing but values and parameters.


#ifndef LRN_JIT_H
#define LRN_JIT_H

#include <stddef.h>

// The most axes of a shape: a greater rank is an error, and is taken for a length that was put in its place. A limit of the C
// interface alone.
#define LRN_JIT_MAX_RANK 64

// What became of a call. 0 is success; lrn_jit_last_error says the rest.
typedef enum lrn_jit_status {
    // All went well.
    LRN_JIT_STATUS_OK = 0,
    // A pointer is NULL that must not be.
    LRN_JIT_STATUS_NULL_POINTER = 1,
    // An argument has a value that it cannot have: no such constant, an address that is not aligned, a length in bytes that
    // is no whole number of elements, an executor of no threads.
    LRN_JIT_STATUS_ARGUMENT = 2,
    // No layer can be built from these parameters.
    LRN_JIT_STATUS_CONFIG = 3,
    // The backend or the width that was asked for is not to be had on this host.
    LRN_JIT_STATUS_COMPILE = 4,
    // The shape does not fit the layer: its rank, its axes, or too many elements.
    LRN_JIT_STATUS_SHAPE = 5,
    // A buffer is not as long as the shape says, or a layout leaves it.
    LRN_JIT_STATUS_LENGTH = 6,
    // Buffers overlap that must not, or elements of an output lie upon one another.
    LRN_JIT_STATUS_OVERLAP = 7,
    // A defect of this library, worth a report. Outputs may be written in part.
    LRN_JIT_STATUS_INTERNAL = 8,
} lrn_jit_status;

// Whose rules a size and the defaults follow (n = size, integer division; alpha is divided by n).
typedef enum lrn_jit_convention {
    // torch.nn.LocalResponseNorm: c - n/2 to c + (n-1)/2; alpha 1e-4, beta 0.75, k 1. The default.
    LRN_JIT_CONVENTION_TORCH = 0,
    // ONNX's operator LRN: c - (n-1)/2 to c + n/2; alpha 1e-4, beta 0.75, k 1.
    LRN_JIT_CONVENTION_ONNX = 1,
    // tf.nn.local_response_normalization: n = 2*depth_radius + 1, odd; alpha is not divided; alpha 1, beta 0.5, k 1.
    LRN_JIT_CONVENTION_TENSORFLOW = 2,
    // Caffe: odd n; alpha 1, beta 0.75, k 1. Within a channel k is 1, whatever was set.
    LRN_JIT_CONVENTION_CAFFE = 3,
    // cuDNN: as ONNX; k 2.
    LRN_JIT_CONVENTION_CUDNN = 4,
    // oneDNN: c - (n-1)/2 to c + (n-1)/2; alpha 1/8192, beta 0.75, k 1.
    LRN_JIT_CONVENTION_ONEDNN = 5,
    // ncnn, the torch.js page: c - n/2 to c + n/2; alpha 1e-4, beta 0.75, k 1.
    LRN_JIT_CONVENTION_SYMMETRIC = 6,
} lrn_jit_convention;

// What taps beyond the first and the last channel read.
typedef enum lrn_jit_boundary {
    // Zero, as in every framework. The default.
    LRN_JIT_BOUNDARY_ZERO = 0,
    // The channel at the index modulo the number of channels.
    LRN_JIT_BOUNDARY_WRAP = 1,
} lrn_jit_boundary;

// What is done to x before it is normalized, in the same pass over memory. Gradients include it.
typedef enum lrn_jit_activation {
    // Nothing. The default.
    LRN_JIT_ACTIVATION_IDENTITY = 0,
    // max(x, 0); a NaN stays.
    LRN_JIT_ACTIVATION_RELU = 1,
} lrn_jit_activation;

// What computes.
typedef enum lrn_jit_backend {
    // Machine code compiled for the parameters. The default, where the host can run it.
    LRN_JIT_BACKEND_JIT = 0,
    // The same plan run over arrays: the same bits, slower. The default elsewhere.
    LRN_JIT_BACKEND_INTERPRETER = 1,
    // Ordinary code with all parameters at run time. Other bits.
    LRN_JIT_BACKEND_GENERIC = 2,
    // The same with powf for every beta.
    LRN_JIT_BACKEND_GENERIC_POWF = 3,
    // The formula in double precision, rounded once. Slow.
    LRN_JIT_BACKEND_REFERENCE = 4,
} lrn_jit_backend;

// The elements of a layer's tensors.
typedef enum lrn_jit_type {
    // float
    LRN_JIT_TYPE_F32 = 0,
    // double
    LRN_JIT_TYPE_F64 = 1,
    // IEEE half precision, each the bits of a uint16_t: computed in float, rounded once.
    LRN_JIT_TYPE_F16 = 2,
    // bfloat16, the upper half of a float, each the bits of a uint16_t: computed in float, rounded once.
    LRN_JIT_TYPE_BF16 = 3,
} lrn_jit_type;

// What a layer is to be. Opaque; used by one thread at a time.
typedef struct lrn_jit_config lrn_jit_config;

// A layer, built. Opaque; never changes, so that any number of threads may use it at once.
typedef struct lrn_jit_layer lrn_jit_layer;

// One of the tasks that an executor is to run: call it with the argument that came with it and the task's number.
typedef void (*lrn_jit_task)(void *argument, size_t index);

// Calls `task(argument, i)` once for each i from 0 to tasks - 1, in any order, on any threads, and returns when all have returned.
// `context` is that of the executor. No exception or longjmp may leave it.
typedef void (*lrn_jit_run)(void *context, size_t tasks, lrn_jit_task task, void *argument);

// The host's threads. The library starts none: without an executor (NULL), all is done on the calling thread. Tensors of fewer
// than 2^18 elements are, in any case. The bits of results do not depend on it.
typedef struct lrn_jit_executor {
    // How many tasks can run at once, 1 or more: the work is cut into about as many.
    size_t threads;
    // Runs them. Must not be NULL.
    lrn_jit_run run;
    // Handed on to `run`. May be NULL.
    void *context;
} lrn_jit_executor;

// How a tensor lies in its buffer: the element with index (i0, i1, ...) is the buffer's element
// `offset + i0*strides[0] + i1*strides[1] + ...`
//
// Strides and offset count elements, not bytes. A stride may be negative or, of an input, 0.
typedef struct lrn_jit_layout {
    // One stride for each axis of the shape; NULL: without gaps, the last axis innermost.
    const ptrdiff_t *strides;
    // The element at index 0.
    size_t offset;
} lrn_jit_layout;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The version of the library, as `0.1.0`. Static.
const char *lrn_jit_version(void);

// A configuration of a layer over `size` neighbouring channels (taps of the window along each of its axes): torch's convention and
// defaults, the channels on axis 1, zeros beyond the edges. What is set explicitly beats a convention's default, in whatever order.
// Values are checked by lrn_jit_build. To be freed by lrn_jit_config_free. NULL only on an internal error.
struct lrn_jit_config *lrn_jit_config_new(size_t size);

// Frees a configuration; of NULL, nothing. Layers built from it stay.
void lrn_jit_config_free(struct lrn_jit_config *config);

// The weight of the squares, divided by the convention's divisor (once for each axis of the window). Any finite number.
enum lrn_jit_status lrn_jit_config_set_alpha(struct lrn_jit_config *config, double alpha);

// The exponent. Any finite number.
enum lrn_jit_status lrn_jit_config_set_beta(struct lrn_jit_config *config, double beta);

// The additive constant, also called bias. Any finite number.
enum lrn_jit_status lrn_jit_config_set_k(struct lrn_jit_config *config, double k);

// Whose rules and defaults hold. Of lrn_jit_config_set_convention and lrn_jit_config_set_window the later call counts.
enum lrn_jit_status lrn_jit_config_set_convention(struct lrn_jit_config *config, enum lrn_jit_convention convention);

// A window of one's own, from c - before to c + after, alpha divided by `divisor` (finite and not 0), in place of a size and a
// convention. The defaults are torch's.
enum lrn_jit_status lrn_jit_config_set_window(struct lrn_jit_config *config,
                                              size_t before,
                                              size_t after,
                                              double divisor);

// What taps beyond the edges read.
enum lrn_jit_status lrn_jit_config_set_boundary(struct lrn_jit_config *config, enum lrn_jit_boundary boundary);

// What is done to x before it is normalized.
enum lrn_jit_status lrn_jit_config_set_input_activation(struct lrn_jit_config *config,
                                                        enum lrn_jit_activation activation);

// The axis of the channels; negative counts from the end (-1: channels last). Default 1. Which axes windows extend over, this leaves.
enum lrn_jit_status lrn_jit_config_set_channel_axis(struct lrn_jit_config *config,
                                                    ptrdiff_t axis);

// Windows along the channel axis: the default. Of this, lrn_jit_config_set_within_channel and lrn_jit_config_set_axes the last call
// counts.
enum lrn_jit_status lrn_jit_config_set_across_channels(struct lrn_jit_config *config);

// Windows within a channel, over the last `dims` axes, 1 to 3: a box of `size` in each, alpha divided by size^dims.
enum lrn_jit_status lrn_jit_config_set_within_channel(struct lrn_jit_config *config, size_t dims);

// Windows over any axes, `count` of them (at most LRN_JIT_MAX_RANK), negative from the end, in any order. Over none (`axes` may be
// NULL) each element is its own window. The axes are copied.
enum lrn_jit_status lrn_jit_config_set_axes(struct lrn_jit_config *config,
                                            const ptrdiff_t *axes,
                                            size_t count);

// Insists on a backend. Without this the JIT runs, or where the host cannot, the interpreter.
enum lrn_jit_status lrn_jit_config_set_backend(struct lrn_jit_config *config, enum lrn_jit_backend backend);

// Insists on a width of the vectors of compiled code, in bits: 128, 256 or 512; 0 is the widest that the host runs well, the default.
// (The environment variable LRN_JIT_WIDTH takes the place of 0.) The bits of results do not depend on it.
enum lrn_jit_status lrn_jit_config_set_width(struct lrn_jit_config *config,
                                             size_t bits);

// Builds a layer for elements of `type`: validates the configuration, makes code of it and compiles that (about a millisecond; a
// layer of the same parameters that lives shares its code). The configuration stays the caller's, and may be freed. `*layer` is
// to be freed by lrn_jit_layer_free; on an error it is NULL.
enum lrn_jit_status lrn_jit_build(const struct lrn_jit_config *config,
                                  enum lrn_jit_type type,
                                  struct lrn_jit_layer **layer);

// Frees a layer that no call is using; of NULL, nothing.
void lrn_jit_layer_free(struct lrn_jit_layer *layer);

// The layer and its parameters, as torch prints them: `LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=1.0)`. UTF-8, the layer's;
// NULL, with an error, for NULL.
const char *lrn_jit_layer_name(const struct lrn_jit_layer *layer);

// What computes, and why: `jit: compiled for x86_64, 512-bit vectors (AVX-512)`. UTF-8, the layer's; NULL, with an error, for NULL.
const char *lrn_jit_layer_backend(const struct lrn_jit_layer *layer);

// What was decided before code was made, in some lines: window, base, recipe and its error. UTF-8, the layer's; NULL, with an error,
// for NULL.
const char *lrn_jit_layer_plan(const struct lrn_jit_layer *layer);

// Normalizes x into y, both of `shape` (`rank` extents), without gaps, the last axis innermost. Lengths are in bytes, as malloc is told
// and sizeof tells, and must be those of the shape. y need not be initialized. y may be x, of the same length, which
// normalizes where it lies; otherwise the two must not overlap. `executor` may be NULL. On an error y is untouched.
enum lrn_jit_status lrn_jit_forward(const struct lrn_jit_layer *layer,
                                    const size_t *shape,
                                    size_t rank,
                                    const void *x,
                                    size_t x_bytes,
                                    void *y,
                                    size_t y_bytes,
                                    const struct lrn_jit_executor *executor);

// Normalizes x where it lies: the same bits as lrn_jit_forward.
enum lrn_jit_status lrn_jit_forward_in_place(const struct lrn_jit_layer *layer,
                                             const size_t *shape,
                                             size_t rank,
                                             void *x,
                                             size_t x_bytes,
                                             const struct lrn_jit_executor *executor);

// Normalizes elements of x that lie as `x_layout` says into elements of y that lie as `y_layout` says (NULL: without gaps, from the
// buffer's first element). Lengths are those of the whole buffers, in bytes; no layout may leave its buffer, and the buffers
// must not overlap. Elements of y outside its layout stay as they are.
enum lrn_jit_status lrn_jit_forward_strided(const struct lrn_jit_layer *layer,
                                            const size_t *shape,
                                            size_t rank,
                                            const void *x,
                                            size_t x_bytes,
                                            const struct lrn_jit_layout *x_layout,
                                            void *y,
                                            size_t y_bytes,
                                            const struct lrn_jit_layout *y_layout,
                                            const struct lrn_jit_executor *executor);

// The gradient with respect to x, given grad_y, the gradient with respect to the layer's output at x. Lengths as for
// lrn_jit_forward. grad_x must overlap neither x nor grad_y. On an error grad_x is untouched.
enum lrn_jit_status lrn_jit_backward(const struct lrn_jit_layer *layer,
                                     const size_t *shape,
                                     size_t rank,
                                     const void *x,
                                     size_t x_bytes,
                                     const void *grad_y,
                                     size_t grad_y_bytes,
                                     void *grad_x,
                                     size_t grad_x_bytes,
                                     const struct lrn_jit_executor *executor);

// The layer's derivative at x times the tangent v (forward mode): how the output changes as x goes along v. y must overlap neither.
enum lrn_jit_status lrn_jit_jvp(const struct lrn_jit_layer *layer,
                                const size_t *shape,
                                size_t rank,
                                const void *x,
                                size_t x_bytes,
                                const void *v,
                                size_t v_bytes,
                                void *y,
                                size_t y_bytes,
                                const struct lrn_jit_executor *executor);

// The gradient with respect to x of the inner product of v and lrn_jit_backward(x, grad_y): what differentiating a gradient again
// takes. (With respect to grad_y it is lrn_jit_jvp(x, v).) grad_x must overlap none of the inputs.
enum lrn_jit_status lrn_jit_double_backward(const struct lrn_jit_layer *layer,
                                            const size_t *shape,
                                            size_t rank,
                                            const void *x,
                                            size_t x_bytes,
                                            const void *grad_y,
                                            size_t grad_y_bytes,
                                            const void *v,
                                            size_t v_bytes,
                                            void *grad_x,
                                            size_t grad_x_bytes,
                                            const struct lrn_jit_executor *executor);

// What went wrong in this thread's last call that did not succeed, as UTF-8: what was given, and what is allowed. An empty text if
// none failed. Never NULL. Valid until the thread's next call that fails, or its end; calls that succeed do not change it.
const char *lrn_jit_last_error(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LRN_JIT_H */
