// AlexNet's first normalization: 96 channels of 55 x 55, in place, and its gradient. Prints what was built and a few values.
//
//     cc -std=c11 -O2 examples/normalize.c -o normalize $(pkg-config --cflags --libs lrn-jit)
#include <lrn_jit.h>
#include <stdio.h>

enum { CHANNELS = 96, PLANE = 55 * 55, ELEMENTS = CHANNELS * PLANE };

static float x[ELEMENTS], y[ELEMENTS], grad_y[ELEMENTS], grad_x[ELEMENTS];

static int failed(const char *what) {
    fprintf(stderr, "%s: %s\n", what, lrn_jit_last_error());
    return 1;
}

int main(void) {
    const size_t shape[] = {1, CHANNELS, 55, 55};
    for (int i = 0; i < ELEMENTS; i++) {
        x[i] = (float)(i * 37 % 401 - 200);
        grad_y[i] = 1.0f;
    }

    lrn_jit_config *config = lrn_jit_config_new(5);
    lrn_jit_config_set_alpha(config, 1e-4);
    lrn_jit_config_set_k(config, 2.0);
    lrn_jit_layer *layer = NULL;
    lrn_jit_status status = lrn_jit_build(config, LRN_JIT_TYPE_F32, &layer);
    lrn_jit_config_free(config);
    if (status != LRN_JIT_STATUS_OK) return failed("build");

    printf("lrn-jit %s: %s\n", lrn_jit_version(), lrn_jit_layer_name(layer));
    printf("%s\n%s\n", lrn_jit_layer_backend(layer), lrn_jit_layer_plan(layer));

    if (lrn_jit_forward(layer, shape, 4, x, sizeof x, y, sizeof y, NULL) != LRN_JIT_STATUS_OK) return failed("forward");
    if (lrn_jit_backward(layer, shape, 4, x, sizeof x, grad_y, sizeof grad_y, grad_x, sizeof grad_x, NULL) !=
        LRN_JIT_STATUS_OK)
        return failed("backward");
    // Hexadecimal: every bit.
    for (int i = 0; i < ELEMENTS; i += 41003)
        printf("%6d: %g becomes %g (%a), gradient %g (%a)\n", i, (double)x[i], (double)y[i], (double)y[i],
               (double)grad_x[i], (double)grad_x[i]);

    // What is wrong is an error, and nothing is touched.
    if (lrn_jit_forward(layer, shape, 4, x, sizeof x - 4, y, sizeof y, NULL) != LRN_JIT_STATUS_LENGTH) return 1;
    printf("refused: %s\n", lrn_jit_last_error());

    lrn_jit_layer_free(layer);
    return 0;
}
