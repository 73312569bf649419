// Assigns rows to columns one to one, and reports the best alternative of each pair;
// `runtime/association/assignment.py`.
#pragma once

#include <cstdint>
#include <vector>

namespace mapt {

// A pair of rows and columns with what speaks for it.
struct PairScore {
  double score = 0;
  bool allowed = false;
};

struct Match {
  int32_t row = 0;
  int32_t column = 0;
  double score = 0;
  double runner_up = 0;  // the best score either of the two had elsewhere; -infinity where there was none
};

class Assignment {
 public:
  // Room for matrices of this size.
  Assignment(int32_t rows, int32_t columns);

  // Empties the matrix: no pair is allowed.
  void start(int32_t rows, int32_t columns);

  PairScore& at(int32_t row, int32_t column) { return pairs_[int64_t{row} * columns_ + column]; }
  const PairScore& at(int32_t row, int32_t column) const { return pairs_[int64_t{row} * columns_ + column]; }

  // Selects the pairs whose scores exceed the threshold by the most in total, in the order of rows.
  const std::vector<Match>& solve(double threshold);

 private:
  bool fill_costs(double threshold);
  void augment(int32_t row);
  int32_t find_free_target(int32_t row, double* length);
  double runner_up(int32_t row, int32_t column) const;

  int32_t rows_ = 0, columns_ = 0;
  std::vector<PairScore> pairs_;
  std::vector<Match> matches_;
  // The solver's problem, which has at most as many lines as targets.
  bool turned_ = false;  // lines are columns
  int32_t lines_ = 0, targets_ = 0;
  std::vector<double> costs_;
  std::vector<double> line_price_, target_price_, lengths_;
  std::vector<int32_t> target_of_, line_of_, from_, open_;
  std::vector<char> line_seen_, target_seen_;
};

}  // namespace mapt
