// What a C call costs: the fastest batch of each kind, in ns per call. overhead.rs builds and runs this, and compares.
#define _POSIX_C_SOURCE 199309L
#include <lrn_jit.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ELEMENTS = 32, BATCH = 1000, BATCHES = 500 };

static const size_t shape[] = {1, 8, 2, 2};
static float x[ELEMENTS], y[ELEMENTS], g[ELEMENTS];
static const lrn_jit_layer *layer;

static lrn_jit_status forward(void) {
    return lrn_jit_forward(layer, shape, 4, x, sizeof x, y, sizeof y, NULL);
}

static lrn_jit_status in_place(void) {
    return lrn_jit_forward_in_place(layer, shape, 4, y, sizeof y, NULL);
}

static lrn_jit_status strided(void) {
    static const ptrdiff_t strides[] = {32, 4, 2, 1};
    static const lrn_jit_layout layout = {strides, 0};
    return lrn_jit_forward_strided(layer, shape, 4, x, sizeof x, &layout, y, sizeof y, &layout, NULL);
}

static lrn_jit_status backward(void) {
    return lrn_jit_backward(layer, shape, 4, x, sizeof x, g, sizeof g, y, sizeof y, NULL);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void measure(lrn_jit_status (*call)(void)) {
    double fastest = 1e30;
    for (int batch = 0; batch < BATCHES; batch++) {
        double start = now();
        for (int i = 0; i < BATCH; i++) {
            if (call() != LRN_JIT_STATUS_OK) {
                fprintf(stderr, "%s\n", lrn_jit_last_error());
                exit(1);
            }
        }
        double time = (now() - start) / BATCH;
        fastest = time < fastest ? time : fastest;
    }
    printf("%.2f\n", fastest);
}

int main(void) {
    for (int i = 0; i < ELEMENTS; i++) {
        x[i] = y[i] = 0.25f * (float)(i - 16);
        g[i] = 0.5f;
    }
    lrn_jit_config *config = lrn_jit_config_new(5);
    lrn_jit_layer *built = NULL;
    if (lrn_jit_build(config, LRN_JIT_TYPE_F32, &built) != LRN_JIT_STATUS_OK) {
        fprintf(stderr, "%s\n", lrn_jit_last_error());
        return 1;
    }
    layer = built;
    measure(forward);
    measure(in_place);
    measure(strided);
    measure(backward);
    lrn_jit_layer_free(built);
    lrn_jit_config_free(config);
    return 0;
}
