// CUDA for one CPU thread: enough of it to run the very source of the kernels in the tests.
//
// The threads of a block are fibers, which run one at a time until they must wait. A warp goes on alone, as far as the
// next barrier of the block, before another one begins; by turns warps and threads run in rising and in falling order.
// So a barrier that is missing shows as another result.

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include <ucontext.h>

#define __global__
#define __device__
#define __shared__ static
#define __launch_bounds__(threads)

#define WARPS (THREADS / WARP)

struct Index { int x; };
static Index threadIdx, blockIdx;

static std::vector<ucontext_t> fibers;
static std::vector<bool> finished, waiting;  // waiting: for the whole block
static ucontext_t scheduler;

static void yield() {
    const int own = threadIdx.x;
    swapcontext(&fibers[own], &scheduler);
}

static void __syncthreads() {
    waiting[threadIdx.x] = true;
    yield();
}

template <class Value> static Value __shfl_down_sync(unsigned, Value value, int distance) {
    static Value exchanged[THREADS];
    const int own = threadIdx.x;
    exchanged[own] = value;
    yield();
    const Value found = own % WARP + distance < WARP ? exchanged[own + distance] : value;
    yield();
    return found;
}

static unsigned __float_as_uint(float value) {
    unsigned bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float __uint_as_float(unsigned bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

static void (*body)(void**);
static void** given;

static void fiber() {
    body(given);
    finished[threadIdx.x] = true;
}

static void begin_block() {
    static std::vector<std::vector<char>> stacks(THREADS, std::vector<char>(1 << 16));
    fibers.assign(THREADS, ucontext_t());
    finished.assign(THREADS, false);
    for (int thread = 0; thread < THREADS; ++thread) {
        getcontext(&fibers[thread]);
        fibers[thread].uc_stack.ss_sp = stacks[thread].data();
        fibers[thread].uc_stack.ss_size = stacks[thread].size();
        fibers[thread].uc_link = &scheduler;
        makecontext(&fibers[thread], fiber, 0);
    }
}

// Run the threads of a warp by turns until all wait for the block or have ended.
static void run_warp(int warp, bool falling) {
    for (bool goes_on = true; goes_on;) {
        goes_on = false;
        for (int n = 0; n < WARP; ++n) {
            const int thread = warp * WARP + (falling ? WARP - 1 - n : n);
            if (finished[thread] || waiting[thread]) continue;
            threadIdx.x = thread;
            swapcontext(&scheduler, &fibers[thread]);
            goes_on = true;
        }
    }
}

static void run_block(bool falling) {
    begin_block();
    do {
        waiting.assign(THREADS, false);
        for (int n = 0; n < WARPS; ++n) run_warp(falling ? WARPS - 1 - n : n, falling);
        falling = !falling;
    } while (std::count(finished.begin(), finished.end(), false));
}

template <class... Arguments, std::size_t... N>
static void call(void (*kernel)(Arguments...), void** arguments, std::index_sequence<N...>) {
    kernel((Arguments)arguments[N]...);
}

template <auto kernel, class... Arguments> static void with(void (*)(Arguments...), void** arguments) {
    call(kernel, arguments, std::index_sequence_for<Arguments...>());
}

template <auto kernel> static void launch(int blocks, int falling, void** arguments) {
    body = [](void** found) { with<kernel>(kernel, found); };
    given = arguments;
    for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x) run_block(falling);
}

#define HOST(kernel) \
    extern "C" void host_##kernel(int blocks, int falling, void** arguments) { \
        launch<kernel>(blocks, falling, arguments); \
    }
