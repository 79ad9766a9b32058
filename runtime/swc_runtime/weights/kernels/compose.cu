// Composition and gradient statistics, each for all banks in one launch.
//
// Takes the tables of `tables.py` (arrays of the structs below) and tables of addresses. Guarantees: every sum is taken
// in a settled order, without atomics, so that the same numbers give the same bits; a thread touches nothing but what
// the tables name. `Real` is the type of templates, coefficients and every sum, `Weight` that of composed weights and
// of their gradients.
//
// A thread block owns a tile: THREADS * ITEMS neighbouring scalars of all templates of one bank, ITEMS of them to a
// thread, which keeps them in registers and walks through the places where slots put them. Thus each template scalar is
// read once, and in the backward pass each gradient too.
//
// The source needs nothing but the compiler: the tests build it for the CPU with a header in CUDA's stead.

#ifndef THREADS
#define THREADS 256
#define ITEMS 4
#define WARP 32
#define MAX_TEMPLATES 8
#endif
#define WARPS (THREADS / WARP)

typedef REAL Real;

// Slots have gains, fixed factors of their coefficients: one to a copy. Without GAINS all are 1, and the compiler leaves
// the multiplications out.
#ifdef GAINS
#define WITH_GAINS , const Real* gains
#define GAIN(copy) gains[copy]
#else
#define WITH_GAINS
#define GAIN(copy) ((Real)1)
#endif

#ifdef BFLOAT16
typedef unsigned short Weight;

__device__ static Weight stored(Real value) {
    if (value != value) return 0x7fc0;
    const unsigned bits = __float_as_uint((float)value);
    return (Weight)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);  // to the nearest, ties to even
}

__device__ static Real loaded(Weight weight) { return (Real)__uint_as_float((unsigned)weight << 16); }
#else
typedef Real Weight;

__device__ static Weight stored(Real value) { return value; }
__device__ static Real loaded(Weight weight) { return weight; }
#endif

struct Tile { int owner, start; };                    // the scalars from `start` of a bank (or of a tensor)
struct Bank { int size, num_templates, first_group, end_group, first_copy, partials, num_tiles, first_tile; };
struct Group { int offset, stride, size, first_copy, end_copy; };  // copies that read one block, in runs of `stride`
struct Copy { int coefficient, output, start, stride, runs, length, size; };  // the visible runs, and where they go
struct Sum { int bank, row, first, end; };            // the copies `parts[first:end]` make one row of coefficients

#define OUTSIDE 0x7fffffff

struct Place { int run, column; };

// The address of scalar `place` in the output of `copy`; -1 where the copy does not show it.
__device__ static int target(const Copy& copy, const Place& place) {
    const bool visible = place.run < copy.runs && place.column < copy.length;
    return visible ? copy.start + place.run * copy.stride + place.column : -1;
}

__device__ static void load_templates(
    Real (&scalars)[ITEMS][MAX_TEMPLATES], const Real* templates, const Bank& bank, int start
) {
#pragma unroll
    for (int item = 0; item < ITEMS; ++item) {
        const int scalar = start + item * THREADS + threadIdx.x;
#pragma unroll
        for (int k = 0; k < MAX_TEMPLATES; ++k) {
            const bool there = k < bank.num_templates && scalar < bank.size;
            scalars[item][k] = there ? templates[(long long)k * bank.size + scalar] : (Real)0;
        }
    }
}

// Where the thread's scalars lie in the blocks of a group.
__device__ static void locate(Place (&places)[ITEMS], const Group& group, int start) {
#pragma unroll
    for (int item = 0; item < ITEMS; ++item) {
        const int scalar = start + item * THREADS + threadIdx.x - group.offset;
        const bool inside = scalar >= 0 && scalar < group.size;
        places[item].run = inside ? scalar / group.stride : OUTSIDE;
        places[item].column = inside ? scalar % group.stride : OUTSIDE;
    }
}

// The first run of a group that a tile reaches: the same for all threads of the block.
__device__ static int first_run(const Group& group, int start) {
    if (start >= group.offset + group.size || start + THREADS * ITEMS <= group.offset) return OUTSIDE;
    return start <= group.offset ? 0 : (start - group.offset) / group.stride;
}

__device__ static void load_coefficients(
    Real (&alpha)[MAX_TEMPLATES], const Real* table, const Bank& bank, int row, Real gain
) {
#pragma unroll
    for (int k = 0; k < MAX_TEMPLATES; ++k) {
        const bool there = table != nullptr && k < bank.num_templates;
        alpha[k] = there ? table[row * bank.num_templates + k] * gain : (Real)0;
    }
}

// The sum over a warp, in its first lane.
__device__ static Real warp_sum(Real value) {
#pragma unroll
    for (int distance = WARP / 2; distance > 0; distance /= 2)
        value += __shfl_down_sync(0xffffffffu, value, distance);
    return value;
}

// Forward: every output from the templates.
extern "C" __global__ void __launch_bounds__(THREADS) compose(
    const Tile* tiles, const Bank* banks, const Group* groups, const Copy* copies,
    const Real* const* templates, const Real* const* tables, Weight* const* outputs
    WITH_GAINS
) {
    const Tile tile = tiles[blockIdx.x];
    const Bank bank = banks[tile.owner];
    Real scalars[ITEMS][MAX_TEMPLATES];
    load_templates(scalars, templates[tile.owner], bank, tile.start);
    for (int g = bank.first_group; g < bank.end_group; ++g) {
        const Group group = groups[g];
        const int first = first_run(group, tile.start);
        if (first == OUTSIDE) continue;
        Place places[ITEMS];
        locate(places, group, tile.start);
        for (int c = group.first_copy; c < group.end_copy; ++c) {
            const Copy copy = copies[c];
            if (first >= copy.runs) continue;
            Real alpha[MAX_TEMPLATES];
            load_coefficients(alpha, tables[tile.owner], bank, copy.coefficient, GAIN(c));
#pragma unroll
            for (int item = 0; item < ITEMS; ++item) {
                const int to = target(copy, places[item]);
                if (to < 0) continue;
                Real made = 0;
#pragma unroll
                for (int k = 0; k < MAX_TEMPLATES; ++k) made += alpha[k] * scalars[item][k];
                outputs[copy.output][to] = stored(made);
            }
        }
    }
}

// Backward: the gradients of the templates, and of the coefficients per tile and copy. An address of 0 stands for
// gradients that are zero, and for coefficients and results that are not wanted.
extern "C" __global__ void __launch_bounds__(THREADS) pull(
    const Tile* tiles, const Bank* banks, const Group* groups, const Copy* copies,
    const Real* const* templates, const Real* const* tables, const Weight* const* gradients,
    Real* const* template_gradients, Real* partials
    WITH_GAINS
) {
    __shared__ Real of_warps[2][WARPS][MAX_TEMPLATES];  // two in turn, so that one barrier to a copy is enough
    const Tile tile = tiles[blockIdx.x];
    const Bank bank = banks[tile.owner];
    const int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP, own = threadIdx.x;
    Real scalars[ITEMS][MAX_TEMPLATES], pulled[ITEMS][MAX_TEMPLATES] = {};
    load_templates(scalars, templates[tile.owner], bank, tile.start);
    int turn = 0;
    for (int g = bank.first_group; g < bank.end_group; ++g) {
        const Group group = groups[g];
        const int first = first_run(group, tile.start);
        Place places[ITEMS];
        locate(places, group, tile.start);
        for (int c = group.first_copy; c < group.end_copy; ++c) {
            const Copy copy = copies[c];
            const Weight* gradient = gradients[copy.output];
            const int row = (c - bank.first_copy) * bank.num_templates + own;
            const long long partial =
                bank.partials + (long long)row * bank.num_tiles + ((int)blockIdx.x - bank.first_tile);
            if (first >= copy.runs || gradient == nullptr) {  // the whole block goes this way, or none of it
                if (own < bank.num_templates) partials[partial] = 0;
                continue;
            }
            Real alpha[MAX_TEMPLATES], sums[MAX_TEMPLATES] = {};
            load_coefficients(alpha, tables[tile.owner], bank, copy.coefficient, GAIN(c));
#pragma unroll
            for (int item = 0; item < ITEMS; ++item) {
                const int from = target(copy, places[item]);
                const Real value = from < 0 ? (Real)0 : loaded(gradient[from]);
#pragma unroll
                for (int k = 0; k < MAX_TEMPLATES; ++k) {
                    pulled[item][k] += alpha[k] * value;
                    sums[k] += value * scalars[item][k];
                }
            }
            turn ^= 1;
#pragma unroll
            for (int k = 0; k < MAX_TEMPLATES; ++k) {
                if (k >= bank.num_templates) break;
                const Real sum = warp_sum(sums[k]);
                if (lane == 0) of_warps[turn][warp][k] = sum;
            }
            __syncthreads();
            if (own < bank.num_templates) {
                Real sum = 0;
                for (int w = 0; w < WARPS; ++w) sum += of_warps[turn][w][own];
                partials[partial] = sum;
            }
        }
    }
    Real* into = template_gradients[tile.owner];
    if (into == nullptr) return;
#pragma unroll
    for (int item = 0; item < ITEMS; ++item) {
        const int scalar = tile.start + item * THREADS + threadIdx.x;
        if (scalar >= bank.size) continue;
#pragma unroll
        for (int k = 0; k < MAX_TEMPLATES; ++k)
            if (k < bank.num_templates) into[(long long)k * bank.size + scalar] = pulled[item][k];
    }
}

// The second stage of `pull`: a block sums the parts of one row of coefficients over copies and tiles.
extern "C" __global__ void __launch_bounds__(THREADS) sum_parts(
    const Sum* sums, const int* parts, const Bank* banks, const Real* partials, Real* const* rows
    WITH_GAINS
) {
    __shared__ Real of_warps[WARPS];
    const Sum sum = sums[blockIdx.x];
    const Bank bank = banks[sum.bank];
    for (int k = 0; k < bank.num_templates; ++k) {
        Real own = 0;
        for (int p = sum.first; p < sum.end; ++p) {
            const long long row = (long long)(parts[p] - bank.first_copy) * bank.num_templates + k;
            const Real* of_tiles = partials + bank.partials + row * bank.num_tiles;
            for (int tile = threadIdx.x; tile < bank.num_tiles; tile += THREADS) own += of_tiles[tile] * GAIN(parts[p]);
        }
        own = warp_sum(own);
        if (threadIdx.x % WARP == 0) of_warps[threadIdx.x / WARP] = own;
        __syncthreads();
        if (threadIdx.x == 0) {
            Real total = 0;
            for (int w = 0; w < WARPS; ++w) total += of_warps[w];
            rows[sum.bank][sum.row * bank.num_templates + k] = total;
        }
        __syncthreads();  // before `of_warps` is written again
    }
}
