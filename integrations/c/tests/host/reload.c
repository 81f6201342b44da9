// Loads the library, builds and runs a layer, fails once (a text per thread), and unloads it, 100 times; says whether memory is flat.
#define _POSIX_C_SOURCE 200809L
#include <dlfcn.h>
#include <lrn_jit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const library = "liblrn_jit_c.so";

// A function of the library. (dlsym gives an object pointer; POSIX says that it is a function's.)
#define FUNCTION(name) \
    __typeof__(name) *call_##name; \
    *(void **)&call_##name = dlsym(handle, #name); \
    if (call_##name == NULL) exit(2)

static void once(void) {
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    FUNCTION(lrn_jit_config_new);
    FUNCTION(lrn_jit_config_free);
    FUNCTION(lrn_jit_build);
    FUNCTION(lrn_jit_forward);
    FUNCTION(lrn_jit_layer_free);
    FUNCTION(lrn_jit_last_error);
    static float x[6] = {1, 2, 3, 4, 5, 6}, y[6];
    const size_t shape[] = {2, 3};
    lrn_jit_config *config = call_lrn_jit_config_new(5);
    lrn_jit_layer *layer = NULL;
    if (call_lrn_jit_build(config, LRN_JIT_TYPE_F32, &layer) != LRN_JIT_STATUS_OK) exit(3);
    if (call_lrn_jit_forward(layer, shape, 2, x, sizeof x, y, sizeof y, NULL) != LRN_JIT_STATUS_OK) exit(4);
    if (call_lrn_jit_forward(layer, shape, 2, x, 4, y, sizeof y, NULL) != LRN_JIT_STATUS_LENGTH) exit(5);
    if (strlen(call_lrn_jit_last_error()) == 0) exit(6);
    call_lrn_jit_layer_free(layer);
    call_lrn_jit_config_free(config);
    dlclose(handle);
}

// Pages of this process, and its mappings.
static void measure(long *pages, long *maps) {
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld", pages) != 1) exit(7);
    fclose(file);
    *maps = 0;
    file = fopen("/proc/self/maps", "r");
    for (int c; file != NULL && (c = fgetc(file)) != EOF;) *maps += c == '\n';
    fclose(file);
}

int main(void) {
    long pages[2], maps[2];
    for (int i = 0; i < 20; i++) once();
    measure(&pages[0], &maps[0]);
    for (int i = 0; i < 80; i++) once();
    measure(&pages[1], &maps[1]);
    printf("after 20 loads %ld pages, %ld mappings; after 100 %ld, %ld\n", pages[0], maps[0], pages[1], maps[1]);
    if (pages[1] <= pages[0] + 64 && maps[1] <= maps[0] + 4) puts("memory is flat");
    return 0;
}
