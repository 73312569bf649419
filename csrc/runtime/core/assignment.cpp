// Shortest augmenting paths for the rectangular assignment problem (Crouse, "On implementing 2D rectangular assignment
// algorithms", 2016, pp. 1685-1686). Ties are decided as `scipy.optimize.linear_sum_assignment` decides them, and every
// sum is formed in its order, so that both give the same pairs.
#include "runtime/core/assignment.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace mapt {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

Assignment::Assignment(int32_t rows, int32_t columns)
    : pairs_(int64_t{rows} * columns), costs_(int64_t{rows} * columns) {
  const int32_t most = std::max(rows, columns);
  matches_.reserve(most);
  for (auto* values : {&line_price_, &target_price_, &lengths_}) values->resize(most);
  for (auto* values : {&target_of_, &line_of_, &from_, &open_}) values->resize(most);
  line_seen_.resize(most);
  target_seen_.resize(most);
}

void Assignment::start(int32_t rows, int32_t columns) {
  rows_ = rows;
  columns_ = columns;
  std::fill_n(pairs_.begin(), int64_t{rows} * columns, PairScore());
}

const std::vector<Match>& Assignment::solve(double threshold) {
  matches_.clear();
  if (!fill_costs(threshold)) return matches_;
  std::fill_n(line_price_.begin(), lines_, 0.0);
  std::fill_n(target_price_.begin(), targets_, 0.0);
  std::fill_n(target_of_.begin(), lines_, -1);
  std::fill_n(line_of_.begin(), targets_, -1);
  for (int32_t line = 0; line < lines_; ++line) augment(line);
  for (int32_t row = 0; row < rows_; ++row) {
    const int32_t column = turned_ ? line_of_[row] : target_of_[row];
    if (column < 0) continue;
    const PairScore& pair = at(row, column);
    if (pair.allowed && pair.score >= threshold) matches_.push_back({row, column, pair.score, runner_up(row, column)});
  }
  return matches_;
}

// Pairs that may not be cost nothing and gain nothing, so that they never displace a real one. Returns false where no
// pair may be.
bool Assignment::fill_costs(double threshold) {
  turned_ = columns_ < rows_;
  lines_ = turned_ ? columns_ : rows_;
  targets_ = turned_ ? rows_ : columns_;
  bool any = false;
  for (int32_t row = 0; row < rows_; ++row) {
    for (int32_t column = 0; column < columns_; ++column) {
      const PairScore& pair = at(row, column);
      const bool usable = pair.allowed && pair.score >= threshold;
      any = any || usable;
      const int64_t place = turned_ ? int64_t{column} * targets_ + row : int64_t{row} * targets_ + column;
      costs_[place] = usable ? -((pair.score - threshold) + 1e-9) : -0.0;
    }
  }
  return any;
}

// Gives a line a target, and changes the targets of others where that costs less.
void Assignment::augment(int32_t line) {
  double length = 0;
  const int32_t sink = find_free_target(line, &length);
  line_price_[line] += length;
  for (int32_t other = 0; other < lines_; ++other) {
    if (line_seen_[other] && other != line) line_price_[other] += length - lengths_[target_of_[other]];
  }
  for (int32_t target = 0; target < targets_; ++target) {
    if (target_seen_[target]) target_price_[target] -= length - lengths_[target];
  }
  int32_t target = sink;
  for (int32_t at_line = -1; at_line != line;) {
    at_line = from_[target];
    line_of_[target] = at_line;
    std::swap(target_of_[at_line], target);
  }
}

// Finds the free target at the end of the shortest path from a line. Costs are finite, so there is one.
int32_t Assignment::find_free_target(int32_t line, double* length) {
  int32_t open = targets_;
  for (int32_t i = 0; i < targets_; ++i) open_[i] = targets_ - 1 - i;
  std::fill_n(line_seen_.begin(), lines_, 0);
  std::fill_n(target_seen_.begin(), targets_, 0);
  std::fill_n(lengths_.begin(), targets_, kInfinity);
  for (;;) {
    line_seen_[line] = 1;
    const double* costs = costs_.data() + int64_t{line} * targets_;
    double lowest = kInfinity;
    int32_t nearest = 0;
    for (int32_t i = 0; i < open; ++i) {
      const int32_t target = open_[i];
      const double path = *length + costs[target] - line_price_[line] - target_price_[target];
      if (path < lengths_[target]) {
        from_[target] = line;
        lengths_[target] = path;
      }
      // Of equal paths, one that ends at a free target saves further steps.
      if (lengths_[target] < lowest || (lengths_[target] == lowest && line_of_[target] == -1)) {
        lowest = lengths_[target];
        nearest = i;
      }
    }
    *length = lowest;
    const int32_t target = open_[nearest];
    target_seen_[target] = 1;
    open_[nearest] = open_[--open];
    if (line_of_[target] == -1) return target;
    line = line_of_[target];
  }
}

double Assignment::runner_up(int32_t row, int32_t column) const {
  double best = -kInfinity;
  for (int32_t other = 0; other < columns_; ++other) {
    if (other != column && at(row, other).allowed) best = std::max(best, at(row, other).score);
  }
  for (int32_t other = 0; other < rows_; ++other) {
    if (other != row && at(other, column).allowed) best = std::max(best, at(other, column).score);
  }
  return best;
}

}  // namespace mapt
