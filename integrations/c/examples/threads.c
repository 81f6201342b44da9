// The host's threads: an executor of OpenMP's, and one handle used by all threads at once. The same bits either way.
//
//     cc -std=c11 -O2 -fopenmp examples/threads.c -o threads $(pkg-config --cflags --libs lrn-jit)
#include <lrn_jit.h>
#include <stdio.h>
#include <string.h>

enum { IMAGES = 8, CHANNELS = 64, PLANE = 28 * 28, IMAGE = CHANNELS * PLANE, ELEMENTS = IMAGES * IMAGE };

static float x[ELEMENTS], alone[ELEMENTS], y[ELEMENTS];

// Runs tasks on OpenMP's threads, and counts them where the context says.
static void run(void *context, size_t tasks, lrn_jit_task task, void *argument) {
#pragma omp parallel for
    for (ptrdiff_t i = 0; i < (ptrdiff_t)tasks; i++) task(argument, (size_t)i);
    *(size_t *)context += tasks;
}

int main(void) {
    const size_t shape[] = {IMAGES, CHANNELS, 28, 28};
    for (int i = 0; i < ELEMENTS; i++) x[i] = (float)(i * 37 % 401 - 200);

    lrn_jit_config *config = lrn_jit_config_new(5);
    lrn_jit_layer *layer = NULL;
    if (lrn_jit_build(config, LRN_JIT_TYPE_F32, &layer) != LRN_JIT_STATUS_OK) return 1;
    lrn_jit_config_free(config);
    if (lrn_jit_forward(layer, shape, 4, x, sizeof x, alone, sizeof alone, NULL) != LRN_JIT_STATUS_OK) return 1;

    // One call, on many threads.
    size_t tasks = 0;
    const lrn_jit_executor executor = {4, run, &tasks};
    if (lrn_jit_forward(layer, shape, 4, x, sizeof x, y, sizeof y, &executor) != LRN_JIT_STATUS_OK) return 1;
    printf("one call, %zu tasks: %s\n", tasks, memcmp(alone, y, sizeof y) ? "other bits" : "the same bits");

    // Many calls, one layer.
    memset(y, 0, sizeof y);
    const size_t one[] = {1, CHANNELS, 28, 28};
    int failures = 0;
#pragma omp parallel for reduction(+ : failures)
    for (int i = 0; i < IMAGES; i++) {
        float *from = x + i * IMAGE, *to = y + i * IMAGE;
        failures += lrn_jit_forward(layer, one, 4, from, IMAGE * sizeof *from, to, IMAGE * sizeof *to, NULL) != 0;
    }
    printf("%d calls at once, %d failures: %s\n", IMAGES, failures,
           memcmp(alone, y, sizeof y) ? "other bits" : "the same bits");
    lrn_jit_layer_free(layer);
    return 0;
}
