// Looks into an ONNX file before ONNX Runtime does; `runtime/bundle/graphs/graph_bytes.py`.
//
// A bundle's graphs are lists of operators with their weights inside. ONNX allows more: weights in other files, and
// control flow and functions that may run for ever. None of that is loaded, but for a Loop over plain operators whose
// number of rounds is written in the graph.
#pragma once

#include <string>
#include <string_view>

namespace mapt {

// Throws InputError, which names the file `user`, for anything else than such a graph.
void check_graph(const std::string& user, std::string_view content);

}  // namespace mapt
