// oneDNN's side: answers run.py's lines (README.md). Compiles with oneDNN 2 and 3.
//
//     onednn plain      nchw and nhwc, as the case says
//     onednn blocked    nChw16c for channels-first cases: a network keeps its tensors so, so reorders are not timed
//
// A primitive and its memory are created once; the library allocates the memory. Threads: OMP_NUM_THREADS.

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "oneapi/dnnl/dnnl.hpp"

using namespace dnnl;
using Clock = std::chrono::steady_clock;

struct Runner {
    lrn_forward primitive;
    memory x, y;

    void run(stream &s) {
        primitive.execute(s, {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, y}});
        s.wait();
    }
};

static std::vector<float> read(const std::string &path, size_t count) {
    std::vector<float> values(count);
    std::ifstream file(path, std::ios::binary);
    if (!file.read(reinterpret_cast<char *>(values.data()), count * sizeof(float)))
        throw std::runtime_error("cannot read " + path);
    return values;
}

// JSON has few needs here: names of implementations and messages.
static std::string quoted(const std::string &text) {
    std::string out = "\"";
    for (char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += c < ' ' ? ' ' : c;
    }
    return out + "\"";
}

static std::string prepare(std::istringstream &words, bool blocked, const engine &eng, stream &s,
        std::map<std::string, Runner> &runners) {
    std::string id, layout, region, source, target;
    memory::dims shape(4);
    long size;
    float alpha, beta, k;
    words >> id >> layout >> shape[0] >> shape[1] >> shape[2] >> shape[3] >> size >> alpha >> beta >> k >> region >> source >> target;
    if (!words) throw std::runtime_error("not a case");
    const bool last = layout == "nhwc";
    if (blocked && last) return "{\"absent\": \"nChw16c is channels first\"}";

    using tag = memory::format_tag;
    const auto type = memory::data_type::f32;
    memory::desc user(shape, type, last ? tag::nhwc : tag::nchw);
    memory::desc own(shape, type, blocked ? tag::nChw16c : last ? tag::nhwc : tag::nchw);
    const auto kind = prop_kind::forward_inference;
    const auto algorithm = region == "within" ? algorithm::lrn_within_channel : algorithm::lrn_across_channels;
#if DNNL_VERSION_MAJOR >= 3
    lrn_forward::primitive_desc description(eng, kind, algorithm, own, own, size, alpha, beta, k);
#else
    lrn_forward::primitive_desc description(lrn_forward::desc(kind, algorithm, own, size, alpha, beta, k), eng);
#endif
    Runner runner {lrn_forward(description), memory(own, eng), memory(own, eng)};

    size_t count = shape[0] * shape[1] * shape[2] * shape[3];
    auto values = read(source, count);
    memory outside(user, eng, values.data());
    reorder(outside, runner.x).execute(s, outside, runner.x);
    std::memset(runner.y.get_data_handle(), 0xff, own.get_size());
    runner.run(s);
    reorder(runner.y, outside).execute(s, runner.y, outside);
    s.wait();
    std::ofstream file(target, std::ios::binary);
    if (!file.write(reinterpret_cast<const char *>(values.data()), count * sizeof(float)))
        throw std::runtime_error("cannot write " + target);

    runners[id] = runner;
    return "{\"implementation\": " + quoted(description.impl_info_str()) + ", \"output\": \"preallocated\"}";
}

static std::string measure(std::istringstream &words, stream &s, std::map<std::string, Runner> &runners) {
    std::string id;
    double seconds;
    words >> id >> seconds;
    Runner &runner = runners.at(id);
    runner.run(s);
    double best = INFINITY;
    long runs = 0;
    auto since = [](Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); };
    for (auto begin = Clock::now(); runs < 3 || since(begin) < seconds; runs++) {
        auto start = Clock::now();
        runner.run(s);
        best = std::min(best, since(start));
    }
    return "{\"ns\": " + std::to_string(best * 1e9) + ", \"runs\": " + std::to_string(runs) + "}";
}

static const char *isa() {
    switch (get_effective_cpu_isa()) {
        case cpu_isa::sse41: return "sse41";
        case cpu_isa::avx: return "avx";
        case cpu_isa::avx2:
        case cpu_isa::avx2_vnni: return "avx2";
        default: return "avx512";
    }
}

int main(int argc, char **argv) {
    const bool blocked = argc > 1 && std::string(argv[1]) == "blocked";
    engine eng(engine::kind::cpu, 0);
    stream s(eng);
    std::map<std::string, Runner> runners;
    const dnnl_version_t *v = dnnl_version();
    const char *runtime = v->cpu_runtime == DNNL_RUNTIME_OMP ? "OpenMP"
            : v->cpu_runtime == DNNL_RUNTIME_TBB             ? "TBB"
            : v->cpu_runtime == DNNL_RUNTIME_SEQ             ? "sequential"
            : v->cpu_runtime == DNNL_RUNTIME_SYCL            ? "SYCL"
                                                             : "another runtime";
    std::cout << "{\"version\": \"" << v->major << '.' << v->minor << '.' << v->patch << "\", \"details\": \"" << runtime
              << ", isa " << isa() << "\"}" << std::endl;
    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream words(line);
        std::string command, answer;
        words >> command;
        try {
            if (command == "prepare") answer = prepare(words, blocked, eng, s, runners);
            else if (command == "time") answer = measure(words, s, runners);
            else break;
        } catch (const std::exception &error) {
            answer = "{\"error\": " + quoted(error.what()) + "}";
        }
        std::cout << answer << std::endl;
    }
}
