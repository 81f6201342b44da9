// The header from C++: a layer behind unique_ptr, channels last, halves; and an error's text.
#include <lrn_jit.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <vector>

template <auto Free> struct Freed {
    template <typename T> void operator()(T *handle) const { Free(handle); }
};
using Config = std::unique_ptr<lrn_jit_config, Freed<lrn_jit_config_free>>;
using Layer = std::unique_ptr<lrn_jit_layer, Freed<lrn_jit_layer_free>>;

int main() {
    Config config(lrn_jit_config_new(3));
    lrn_jit_config_set_channel_axis(config.get(), -1);
    lrn_jit_config_set_convention(config.get(), LRN_JIT_CONVENTION_ONNX);
    lrn_jit_layer *built = nullptr;
    if (lrn_jit_build(config.get(), LRN_JIT_TYPE_F16, &built) != LRN_JIT_STATUS_OK) return 1;
    Layer layer(built);

    const std::size_t shape[] = {2, 3};
    std::vector<std::uint16_t> x(6, 0x3c00), y(6);
    if (lrn_jit_forward(layer.get(), shape, 2, x.data(), 12, y.data(), 12, nullptr) != LRN_JIT_STATUS_OK) return 1;
    for (std::uint16_t half : y) std::printf("%04x ", half);
    std::puts("");
    if (lrn_jit_forward(layer.get(), shape, 1, x.data(), 12, y.data(), 12, nullptr) != LRN_JIT_STATUS_SHAPE) return 1;
    std::puts(lrn_jit_last_error());
    return 0;
}
