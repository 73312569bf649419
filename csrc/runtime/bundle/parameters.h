// Puts the parameters that several graphs of a bundle share back into a graph;
// `runtime/bundle/graphs/shared_parameters.py`.
#pragma once

#include <string>
#include <string_view>

namespace mapt {

// A graph with its parameters inside, whose file refers to `parameters.bin` by external data. Throws InputError, which
// names the file `user`, where it is no ONNX file, or refers to another file or beyond the end.
std::string restore_parameters(const std::string& user, std::string_view graph, std::string_view parameters);

}  // namespace mapt
