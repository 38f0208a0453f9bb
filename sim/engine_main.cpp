// Drives an emitted engine: rows into its memories, start, and the activation memory as each layer leaves it.
//
//   engine_main JOB DUMP    JOB: lines "w <hexadecimal payload>" (a row) and "r <cycles>" (run, so long at most;
//                           "q": of the activation memory only what the last layer leaves), "s <hexadecimal payload>"
//                           (a row to offer in each run, behind those before, as soon as the engine takes it), "c 0"
//                           (forget these), "t <from>-<to>" (built with TRACED: of the next run write these cycles to
//                           DUMP.vcd, a unit of time each)
//
// For each layer that ends, DUMP receives its number (32 bits), the cycle since start (64 bits), whether words
// follow (32 bits), the counters (32 bits each) and every word of activation memory, address by address and bank by bank. Each run prints "run <cycles> <layers> <done> <error>".

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "Vtop.h"
#include "Vtop___024root.h"
#ifdef TRACED
#include <utility>

#include "verilated_vcd_c.h"
#endif
#include "engine_memory.h"  // SEGMENTS, ROWS, WORD_BYTES, COUNTERS, bank(top, segment, number, row), ENGINE(port)

static Vtop *top;
static FILE *dump;
static std::vector<std::string> streamed;

#ifdef TRACED
static VerilatedVcdC *trace;
static std::vector<std::pair<uint64_t, uint64_t>> windows;
#endif

static void edge(uint64_t cycle = 0) {
    top->clk = 0;
    top->eval();
#ifdef TRACED
    // Settled values of the cycle, before the edge that ends it.
    for (auto &window : windows)
        if (cycle >= window.first && cycle < window.second) trace->dump(cycle);
#endif
    top->clk = 1;
    top->eval();
}

static void set_payload(const std::string &hex) {
    memset(&top->i___05Fpayload, 0, sizeof top->i___05Fpayload);
    auto *bytes = reinterpret_cast<unsigned char *>(&top->i___05Fpayload);
    size_t place = 0;
    for (size_t end = hex.size(); end > 0; ++place) {
        size_t begin = end >= 2 ? end - 2 : 0;
        bytes[place] = static_cast<unsigned char>(strtoul(hex.substr(begin, end - begin).c_str(), nullptr, 16));
        end = begin;
    }
}

static void write_dump(uint32_t layer, uint64_t cycle, uint32_t whole) {
    fwrite(&layer, sizeof layer, 1, dump);
    fwrite(&cycle, sizeof cycle, 1, dump);
    fwrite(&whole, sizeof whole, 1, dump);
    fwrite(&ENGINE(counts), 4, COUNTERS, dump);
    if (!whole) return;
    for (int segment = 0; segment < SEGMENTS; ++segment)
        for (int row = 0; row < ROWS; ++row)
            for (int number = 0; number < 6; ++number) fwrite(bank(top, segment, number, row), WORD_BYTES, 1, dump);
}

static void idle() {
#ifdef AXI_LITE
    top->s_axi_control_awvalid = top->s_axi_control_wvalid = top->s_axi_control_arvalid = 0;
    top->s_axi_control_bready = 1;
#else
    top->start = 0;
#endif
}

// Up to the cycle in which the engine sees its start.
static void start() {
#ifdef AXI_LITE
    // A 1 to CTRL, which is always ready between programs; answers are taken at once.
    top->s_axi_control_awaddr = 0;
    top->s_axi_control_wdata = 1;
    top->s_axi_control_wstrb = 15;
    top->s_axi_control_awvalid = top->s_axi_control_wvalid = top->s_axi_control_bready = 1;
    edge();
    idle();
    // One that still runs, beyond its limit, does not start.
    for (int wait = 0; !ENGINE(start) && wait < 64; ++wait) edge();
#else
    top->start = 1;
    top->eval();
#endif
}

static void run(uint64_t limit, bool images) {
    start();
    uint64_t cycle = 0;  // that of start
    edge();
    idle();
    uint32_t layers = 0;
    size_t taken = 0;
    top->i___05Fvalid = !streamed.empty();
    if (top->i___05Fvalid) set_payload(streamed.front());
    for (cycle = 1; cycle <= limit; ++cycle) {
        // Outputs of registers: those of this cycle.
        if (ENGINE(layer) != layers) write_dump(layers++, cycle - 1, images || !ENGINE(busy));
        if (!ENGINE(busy)) break;
        if (top->i___05Fvalid) top->eval();
        bool takes = top->i___05Fvalid && top->i___05Fready;
        edge(cycle);
        if (takes) {
            top->i___05Fvalid = ++taken < streamed.size();
            if (top->i___05Fvalid) set_payload(streamed[taken]);
        }
    }
    top->i___05Fvalid = 0;
    printf("run %llu %u %d %d\n", static_cast<unsigned long long>(cycle - 1), layers, static_cast<int>(!ENGINE(busy)),
           static_cast<int>(ENGINE(error)));
    fflush(stdout);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    VerilatedContext context;
    top = new Vtop(&context);
    dump = fopen(argv[2], "wb");
#ifdef TRACED
    context.traceEverOn(true);
    trace = new VerilatedVcdC;
    top->trace(trace, 99);
    trace->open((std::string(argv[2]) + ".vcd").c_str());
#endif
    std::ifstream job(argv[1]);
    if (!dump || !job) return 2;
    top->rst = 1;
    idle();
    top->i___05Fvalid = 0;
    top->read_enable = 0;
    edge();
    top->rst = 0;
    std::string kind, value;
    while (job >> kind >> value) {
        if (kind == "w") {
            set_payload(value);
            top->i___05Fvalid = 1;
            edge();
            top->i___05Fvalid = 0;
        } else if (kind == "s") {
            streamed.push_back(value);
        } else if (kind == "c") {
            streamed.clear();
#ifdef TRACED
        } else if (kind == "t") {
            size_t dash = value.find('-');
            windows.emplace_back(std::stoull(value), std::stoull(value.substr(dash + 1)));
#endif
        } else {
            run(strtoull(value.c_str(), nullptr, 10), kind == "r");
        }
    }
#ifdef TRACED
    trace->close();
#endif
    fclose(dump);
    delete top;
    return 0;
}
