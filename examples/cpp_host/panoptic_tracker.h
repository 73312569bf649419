// The tracker for C++: images in by pointer, tracks out as plain structs. Nothing is copied on the way.
#pragma once

#include <pybind11/embed.h>
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace mapt {

namespace py = pybind11;

// One track, as `mapt.runtime.TRACK_DTYPE` lays it out: no padding, so a frame's tracks are one flat array.
struct Track {
  std::int32_t id;       // from 1, never used twice
  std::int32_t label;    // train id
  float score;           // in [0, 1]
  float x1, y1, x2, y2;  // pixels of the image
  std::int32_t age;      // frames since birth
  std::int32_t lost;     // frames since it was last seen, 0: visible now
};
static_assert(sizeof(Track) == 36, "Track has to match TRACK_DTYPE");

// Pixels that the caller owns; they have to stay as they are until `step` returns.
struct Image {
  const std::uint8_t* rgb;
  py::ssize_t height, width;
  py::ssize_t row_bytes;  // 3 * width where rows lie without a gap
};

// A labelled frame. The pointers live as long as it does; like all that holds Python objects, it is destroyed under the
// interpreter lock.
struct Frame {
  const Track* tracks;  // visible ones first
  std::size_t count;
  const std::uint8_t* semantic;  // (height, width) train ids
  const std::int32_t* instance;  // (height, width) track ids, 0: none
  py::array owners[3];
};

class Tracker {
 public:
  // Needs a running interpreter and its lock, as every call here does. `trust`: the public Ed25519 key (PEM) that must
  // have signed the bundle; nothing: signatures are not looked at.
  Tracker(const std::string& bundle, std::optional<int> threads = std::nullopt,
          const std::optional<std::string>& trust = std::nullopt)
      : runtime_(py::module_::import("mapt.runtime")),
        tracker_(runtime_.attr("PanopticTracker")
                     .attr("load")(bundle, py::arg("threads") = threads, py::arg("trust") = path_or_none(trust))) {
    PYBIND11_NUMPY_DTYPE(Track, id, label, score, x1, y1, x2, y2, age, lost);
    if (!py::dtype::of<Track>().equal(runtime_.attr("TRACK_DTYPE")))
      throw std::runtime_error("mapt::Track is not mapt.runtime.TRACK_DTYPE; use the header of this version");
  }

  // The labels of an image, or nothing where the frame has to be dropped: a stamp that does not rise, a backend that
  // failed, an output that is invalid. The tracker is then as before. Other mistakes throw py::error_already_set.
  std::optional<Frame> step(const Image& image, std::int64_t stamp_ns, std::optional<double> deadline_ms = {}) {
    // An owner that owns nothing keeps numpy from copying.
    py::array view(py::dtype::of<std::uint8_t>(), {image.height, image.width, py::ssize_t{3}},
                   {image.row_bytes, py::ssize_t{3}, py::ssize_t{1}}, image.rgb, py::capsule(image.rgb, [](void*) {}));
    view.attr("setflags")(py::arg("write") = false);
    if (view.data() != image.rgb) throw std::logic_error("numpy copied the image");
    try {
      return read(tracker_.attr("step")(view, stamp_ns, deadline_ms));
    } catch (py::error_already_set& error) {
      if (!error.matches(runtime_.attr("StampError")) && !error.matches(runtime_.attr("StepError"))) throw;
      dropped_ = py::str(error.value());
      return std::nullopt;
    }
  }

  // Why the last frame was dropped.
  const std::string& dropped() const { return dropped_; }

  // OK, DEGRADED, LATE, NO_INPUT, INVALID or FAULT; any thread may ask.
  std::string status() const { return py::str(tracker_.attr("health")().attr("status")); }

  // After a camera cut.
  void reset() { tracker_.attr("reset")(); }

 private:
  static py::object path_or_none(const std::optional<std::string>& path) {
    if (!path) return py::none();
    return py::module_::import("pathlib").attr("Path")(*path);
  }

  static Frame read(const py::object& frame) {
    auto tracks = frame.attr("track_array")().cast<py::array_t<Track>>();
    auto semantic = frame.attr("semantic").cast<py::array_t<std::uint8_t>>();
    auto instance = frame.attr("instance").cast<py::array_t<std::int32_t>>();
    return {tracks.data(),
            static_cast<std::size_t>(tracks.size()),
            semantic.data(),
            instance.data(),
            {tracks, semantic, instance}};
  }

  py::object runtime_, tracker_;
  std::string dropped_;
};

}  // namespace mapt
