// Matrix products of tiles in shared memory: on tensor cores for half precision and TF32, otherwise by multiply-add in
// registers. Sums are float, or double for double.
//
// Both factors are tiles of rows that are summed along: result[row][column] = sum of a[row][k] * b[column][k]. A step
// multiplies 64 bytes of each row. A row takes 80 bytes, so that eight neighbouring rows lie in different banks.
#pragma once

#include "cuda/block.cuh"

// Tensor cores for half precision and TF32 came with compute capability 8.0. The shim has them, too.
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
#define MAPT_TENSOR_CORES 1
#endif

MAPT_BEGIN

constexpr int kRowBytes = 64, kPitchBytes = 80, kVectorBytes = 16;
constexpr int kVectors = kRowBytes / kVectorBytes;  // of a row of a tile

template <class S>
constexpr int kDepth = kRowBytes / sizeof(S);  // elements of a row of a tile
template <class S>
constexpr int kVector = kVectorBytes / sizeof(S);

// What one instruction loads or stores.
template <class S>
struct alignas(kVectorBytes) Vector {
  S at[kVector<S>];
};

// The type of sums.
template <class S>
struct SumOf {
  using type = float;
};
template <>
struct SumOf<double> {
  using type = double;
};

template <class S>
constexpr bool kOnTensorCores = sizeof(S) == 2;
template <>
constexpr bool kOnTensorCores<Tf32> = true;

// A block's tile of the result, ROWS x COLUMNS, and the part of it that a warp computes.
template <int ROWS, int COLUMNS, int WARP_ROWS, int WARP_COLUMNS, int BLOCKS>
struct Shape {
  static constexpr int kRows = ROWS, kColumns = COLUMNS, kWarpRows = WARP_ROWS, kWarpColumns = WARP_COLUMNS;
  static constexpr int kThreads = 32 * (ROWS / WARP_ROWS) * (COLUMNS / WARP_COLUMNS), kBlocks = BLOCKS;

  // The first row and column of the calling thread's warp.
  static MAPT_DEVICE int warp_row() { return thread() / 32 % (ROWS / WARP_ROWS) * WARP_ROWS; }
  static MAPT_DEVICE int warp_column() { return thread() / 32 / (ROWS / WARP_ROWS) * WARP_COLUMNS; }
};
using SmallShape = Shape<64, 64, 32, 32, 4>;
using LargeShape = Shape<128, 128, 64, 32, 2>;

// Rows of a factor in shared memory.
template <int ROWS>
struct alignas(kVectorBytes) Tile {
  char bytes[ROWS][kPitchBytes];

  template <class S>
  MAPT_DEVICE S* row(int i) {
    return reinterpret_cast<S*>(bytes[i]);
  }
  template <class S>
  MAPT_DEVICE Vector<S>& vector(int i, int v) {
    return reinterpret_cast<Vector<S>*>(bytes[i])[v];
  }
  MAPT_DEVICE uint32_t word(int i, int k) const { return reinterpret_cast<const uint32_t*>(bytes[i])[k]; }
};

// The sums of a thread by multiply-add. Neighbouring lanes have neighbouring rows.
template <class S, class Shape>
class RegisterSums {
 public:
  using C = typename SumOf<S>::type;

  MAPT_DEVICE RegisterSums() {
    MAPT_UNROLL for (int i = 0; i < kRows; ++i) { MAPT_UNROLL for (int j = 0; j < kColumns; ++j) sums_[i][j] = C(0); }
  }

  MAPT_DEVICE void add(Tile<Shape::kRows>& a, Tile<Shape::kColumns>& b) {
    const int row = first_row(), column = first_column();
    MAPT_UNROLL_BY(1) for (int v = 0; v < kVectors; ++v) {
      Vector<S> left[kRows];
      MAPT_UNROLL for (int i = 0; i < kRows; ++i) left[i] = a.template vector<S>(row + 8 * i, v);
      MAPT_UNROLL for (int j = 0; j < kColumns; ++j) {
        const Vector<S> right = b.template vector<S>(column + 4 * j, v);
        MAPT_UNROLL for (int i = 0; i < kRows; ++i) {
          MAPT_UNROLL for (int k = 0; k < kVector<S>; ++k) {
            sums_[i][j] += static_cast<C>(left[i].at[k]) * static_cast<C>(right.at[k]);
          }
        }
      }
    }
  }

  // Calls write(row, column, sum) for the thread's part of the block's tile.
  template <class F>
  MAPT_DEVICE void each(F write) const {
    MAPT_UNROLL for (int j = 0; j < kColumns; ++j) {
      MAPT_UNROLL for (int i = 0; i < kRows; ++i) write(first_row() + 8 * i, first_column() + 4 * j, sums_[i][j]);
    }
  }

 private:
  static constexpr int kRows = Shape::kWarpRows / 8, kColumns = Shape::kWarpColumns / 4;
  static MAPT_DEVICE int first_row() { return Shape::warp_row() + thread() % 8; }
  static MAPT_DEVICE int first_column() { return Shape::warp_column() + thread() % 32 / 8; }

  C sums_[kRows][kColumns];
};

// What a lane holds of 16 x 8 words of a and of 8 x 8 words of b, as PTX's mma.m16n8k16 (a word is two halves) and
// m16n8k8 (a word is TF32) define it.
struct Fragments {
  template <int ROWS>
  static MAPT_DEVICE void load_a(const Tile<ROWS>& tile, int row, int word, uint32_t (&a)[4]) {
    const int group = thread() % 32 / 4, in_group = thread() % 4;
    MAPT_UNROLL for (int i = 0; i < 4; ++i) { a[i] = tile.word(row + group + i % 2 * 8, word + in_group + i / 2 * 4); }
  }
  template <int ROWS>
  static MAPT_DEVICE void load_b(const Tile<ROWS>& tile, int column, int word, uint32_t (&b)[2]) {
    const int group = thread() % 32 / 4, in_group = thread() % 4;
    MAPT_UNROLL for (int i = 0; i < 2; ++i) b[i] = tile.word(column + group, word + in_group + i * 4);
  }
};

#if defined(__CUDACC__) && defined(MAPT_TENSOR_CORES)
#define MAPT_MMA(Type, shape_and_types)                                                                         \
  static MAPT_DEVICE void multiply_words(Type, float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) { \
    asm("mma.sync.aligned." shape_and_types " {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"            \
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                                                        \
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));                                    \
  }
MAPT_MMA(Half, "m16n8k16.row.col.f32.f16.f16.f32")
MAPT_MMA(BFloat16, "m16n8k16.row.col.f32.bf16.bf16.f32")
MAPT_MMA(Tf32, "m16n8k8.row.col.f32.tf32.tf32.f32")
#undef MAPT_MMA
#endif

// The sums of a thread on tensor cores.
template <class S, class Shape>
class TensorSums {
 public:
  MAPT_DEVICE TensorSums() {
    MAPT_UNROLL for (int i = 0; i < kRows; ++i) {
      MAPT_UNROLL for (int j = 0; j < kColumns; ++j) { MAPT_UNROLL for (int k = 0; k < 4; ++k) sums_[i][j][k] = 0; }
    }
  }

  MAPT_DEVICE void add(Tile<Shape::kRows>& a, Tile<Shape::kColumns>& b) {
#if defined(MAPT_TENSOR_CORES)
    MAPT_UNROLL_BY(1) for (int word = 0; word < kRowBytes / 4; word += 8) {
      Held held;
      MAPT_UNROLL for (int i = 0; i < kRows; ++i) Fragments::load_a(a, Shape::warp_row() + 16 * i, word, held.a[i]);
      MAPT_UNROLL for (int j = 0; j < kColumns; ++j) {
        Fragments::load_b(b, Shape::warp_column() + 8 * j, word, held.b[j]);
      }
      multiply(held);
    }
#else
    // Each thread multiplies what it will own.
    each_sum([&](int row, int column, float& sum) {
      const S *left = a.template row<S>(row), *right = b.template row<S>(column);
      for (int k = 0; k < kDepth<S>; ++k) sum += static_cast<float>(left[k]) * static_cast<float>(right[k]);
    });
#endif
  }

  // Calls write(row, column, sum) for the thread's part of the block's tile.
  template <class F>
  MAPT_DEVICE void each(F write) {
    each_sum([&](int row, int column, const float& sum) { write(row, column, sum); });
  }

 private:
  static constexpr int kRows = Shape::kWarpRows / 16, kColumns = Shape::kWarpColumns / 8;
  struct Held {
    uint32_t a[kRows][4], b[kColumns][2];
  };

  template <class F>
  MAPT_DEVICE void each_sum(F f) {
    const int row = Shape::warp_row() + thread() % 32 / 4, column = Shape::warp_column() + thread() % 4 * 2;
    MAPT_UNROLL for (int j = 0; j < kColumns; ++j) {
      MAPT_UNROLL for (int i = 0; i < kRows; ++i) {
        MAPT_UNROLL for (int k = 0; k < 4; ++k) f(row + 16 * i + k / 2 * 8, column + 8 * j + k % 2, sums_[i][j][k]);
      }
    }
  }

#if defined(__CUDACC__) && defined(MAPT_TENSOR_CORES)
  MAPT_DEVICE void multiply(const Held& held) {
    MAPT_UNROLL for (int j = 0; j < kColumns; ++j) {
      MAPT_UNROLL for (int i = 0; i < kRows; ++i) multiply_words(S{}, sums_[i][j], held.a[i], held.b[j]);
    }
  }
#elif !defined(__CUDACC__)
  // Element k of a word.
  static float element(uint32_t word, int k) {
    S parts[4 / sizeof(S)];
    memcpy(parts, &word, sizeof(word));
    return static_cast<float>(parts[k]);
  }

  // What the instruction does, from what the lanes hold by its definition.
  void multiply(const Held& own) {
    const int group = thread() % 32 / 4, in_group = thread() % 4;
    shim::exchange(own, [&](auto held_by) {
      for (int k = 0; k < 8; ++k) {
        for (int i = 0; i < kRows; ++i) {
          const Held& left = held_by(group * 4 + k % 4);
          for (int j = 0; j < kColumns; ++j) {
            for (int of = 0; of < 4; ++of) {
              const Held& right = held_by((in_group * 2 + of % 2) * 4 + k % 4);
              for (int part = 0; part < static_cast<int>(4 / sizeof(S)); ++part) {
                sums_[i][j][of] += element(left.a[i][of / 2 + k / 4 * 2], part) * element(right.b[j][k / 4], part);
              }
            }
          }
        }
      }
    });
  }
#endif

  float sums_[kRows][kColumns][4];
};

template <bool TENSOR, class S, class Shape>
struct SumsOf {
  using type = RegisterSums<S, Shape>;
};
template <class S, class Shape>
struct SumsOf<true, S, Shape> {
  using type = TensorSums<S, Shape>;
};

// A kernel that multiplies. A block computes a tile of the result. `Factors` has
//   Stored                        the type of elements in shared memory
//   Shared                        its own part of the shared memory
//   Work                          what a block computes, with `steps`
//   work(block)                   of a block
//   prepare(work, shared, step)   is called one barrier before step's tiles are filled, while those before are filled
//   fill(work, shared, step, a, b) writes the tiles of a step, zeros where there is nothing
//   write(work, row, column, sum) takes the result
template <class Factors, class Shape>
struct Multiply {
  using S = typename Factors::Stored;
  static constexpr int kThreads = Shape::kThreads, kBlocks = Shape::kBlocks;
  struct Shared {
    Tile<Shape::kRows> a[2];
    Tile<Shape::kColumns> b[2];
    typename Factors::Shared own;
  };

  Factors factors;

  MAPT_DEVICE void operator()(Shared& shared, int64_t block) const {
    const auto work = factors.work(block);
    typename SumsOf<kOnTensorCores<S>, S, Shape>::type sums;
    factors.prepare(work, shared.own, 0);
    __syncthreads();
    factors.fill(work, shared.own, 0, shared.a[0], shared.b[0]);
    if (work.steps > 1) factors.prepare(work, shared.own, 1);
    __syncthreads();
    for (int step = 0; step < work.steps; ++step) {
      const int now = step % 2, next = 1 - now;
      if (step + 1 < work.steps) factors.fill(work, shared.own, step + 1, shared.a[next], shared.b[next]);
      if (step + 2 < work.steps) factors.prepare(work, shared.own, step + 2);
      sums.add(shared.a[now], shared.b[now]);
      __syncthreads();
    }
    sums.each([&](int row, int column, auto sum) { factors.write(work, row, column, sum); });
  }
};

MAPT_END
