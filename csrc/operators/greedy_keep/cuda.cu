// Greedy suppression on a GPU, in two launches that the host does not wait for.
//
// The first packs every row of the matrix into words of 64 bits. The second is one block, which decides 64 boxes at a
// time: one thread goes through them, and then all threads drop what the kept ones suppress. Only bits are joined, so
// any order of threads gives the same result.
#include "cuda/block.cuh"
#include "operators/greedy_keep/params.h"

MAPT_BEGIN

constexpr int kWord = 64;  // boxes

// Word `column` of row `row`: bit b says whether the row's box drops box 64 * column + b.
template <class T, class C>
struct PackRow {
  GreedyKeep<T, C> p;
  uint64_t* drops;  // (count, words)
  int64_t words;

  MAPT_INLINE void operator()(int64_t row, int64_t column) const {
    const int64_t begin = column * kWord, end = min<int64_t>(p.count, begin + kWord);
    uint64_t word = 0;
    for (int64_t j = max<int64_t>(begin, row + 1); j < end; ++j) {
      const bool drop = static_cast<C>(p.suppresses[row * p.count + j]) > C(0.5);
      word |= static_cast<uint64_t>(drop) << (j - begin);
    }
    drops[row * words + column] = word;
  }
};

template <class T, class C>
struct DecideInOrder {
  static constexpr int kThreads = 256, kBlocks = 1;
  struct Shared {
    uint64_t within[kWord];  // what the boxes of a word drop of one another
    uint64_t kept;           // of these boxes
  };

  GreedyKeep<T, C> p;
  const uint64_t* drops;  // (count, words)
  uint64_t* dropped;      // (words), all that is dropped so far
  int64_t words;

  MAPT_DEVICE void operator()(Shared& shared, int64_t) const {
    for (int64_t w = thread(); w < words; w += kThreads) dropped[w] = 0;
    __syncthreads();
    for (int64_t at = 0; at < words; ++at) {
      const int64_t first = at * kWord;
      const int rows = static_cast<int>(min<int64_t>(kWord, p.count - first));
      if (thread() < rows) shared.within[thread()] = drops[(first + thread()) * words + at];
      __syncthreads();
      if (thread() == 0) shared.kept = decide(shared.within, rows, dropped[at]);
      __syncthreads();
      const uint64_t kept = shared.kept;
      for (int64_t w = at + 1 + thread(); w < words; w += kThreads) {
        uint64_t word = dropped[w];
        MAPT_UNROLL_BY(8)
        for (int r = 0; r < rows; ++r) {
          // The load does not wait for the bit, so that several are under way.
          const uint64_t more = drops[(first + r) * words + w];
          word |= (kept >> r & 1) != 0 ? more : 0;
        }
        dropped[w] = word;
      }
      if (thread() < rows) p.keep[first + thread()] = static_cast<T>(static_cast<C>(kept >> thread() & 1));
    }
  }

  static MAPT_DEVICE uint64_t decide(const uint64_t (&within)[kWord], int rows, uint64_t gone) {
    uint64_t kept = 0;
    for (int r = 0; r < rows; ++r) {
      if ((gone >> r & 1) != 0) continue;
      kept |= uint64_t{1} << r;
      gone |= within[r];
    }
    return kept;
  }
};

template <class T, class C>
struct KernelOf<GreedyKeep<T, C>> {
  struct Context {
    uint64_t *drops, *dropped;
    int64_t words;
  };

  static Context allocate(const GreedyKeep<T, C>& p, Arena& arena) {
    const int64_t words = ceil_div(p.count, kWord);
    return {arena.take<uint64_t>(p.count, words), arena.take<uint64_t>(words), words};
  }

  static const char* start(const GreedyKeep<T, C>& p, const Context& c, Stream stream) {
    const char* packed = launch(stream, p.count, c.words, PackRow<T, C>{p, c.drops, c.words});
    const int64_t blocks = p.count > 0 ? 1 : 0;
    return first_error(packed, launch_blocks(stream, blocks, DecideInOrder<T, C>{p, c.drops, c.dropped, c.words}));
  }
};

MAPT_END

namespace mapt {
MAPT_CUDA_FORWARD(greedy_keep, GreedyKeep)
}  // namespace mapt
