// A caller that breaks the contract: an output that is one element shorter than it says. For valgrind to find.
#include <lrn_jit.h>
#include <stdlib.h>

int main(void) {
    enum { CHANNELS = 64 };
    const size_t shape[] = {1, CHANNELS};
    float *x = calloc(CHANNELS, sizeof *x), *y = malloc((CHANNELS - 1) * sizeof *y);
    lrn_jit_config *config = lrn_jit_config_new(5);
    lrn_jit_layer *layer = NULL;
    if (!x || !y || lrn_jit_build(config, LRN_JIT_TYPE_F32, &layer) != LRN_JIT_STATUS_OK) return 1;
    lrn_jit_status status =
        lrn_jit_forward(layer, shape, 2, x, CHANNELS * sizeof *x, y, CHANNELS * sizeof *y, NULL);
    lrn_jit_layer_free(layer);
    lrn_jit_config_free(config);
    free(x);
    free(y);
    return (int)status;
}
