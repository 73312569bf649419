// deform_conv2d for PyTorch: checks, sizes and memory around the kernels.
#include "operators/deform_conv/params.h"
#include "torch/device.h"

namespace {

using namespace mapt_torch;

struct Convolution {
  Tensor input, offset, weight, bias;
  int64_t stride, padding, dilation;

  Convolution(const Tensor& input, const Tensor& offset, const Tensor& weight, const std::optional<Tensor>& bias,
              int64_t stride, int64_t padding, int64_t dilation)
      : input(input.contiguous()),
        offset(offset.contiguous()),
        weight(weight.contiguous()),
        stride(stride),
        padding(padding),
        dilation(dilation) {
    if (bias) this->bias = bias->contiguous();
    check();
  }

  std::vector<int64_t> out_shape() const { return {input.size(0), weight.size(0), out_size(0), out_size(1)}; }

  template <class T, class C>
  mapt::DeformConv<T, C> params(T* out) const {
    return {data<T>(input),
            data<C>(offset),
            data<T>(weight),
            data<T>(bias),
            out,
            input.size(0),
            input.size(1),
            input.size(2),
            input.size(3),
            weight.size(0),
            weight.size(2),
            weight.size(3),
            out_size(0),
            out_size(1),
            stride,
            padding,
            dilation,
            offset.size(0) == 1 && input.size(0) != 1,
            allows_tf32()};
  }

 private:
  int64_t out_size(int axis) const {
    return mapt::convolved_side(input.size(2 + axis), weight.size(2 + axis), stride, padding, dilation);
  }

  void check() const {
    check_like(input, "input", input, 4);
    check_coordinates(offset, "offset", input, 4);
    check_like(weight, "weight", input, 4);
    check_map(input.size(2), input.size(3));
    check_range("stride", stride, 1, mapt::kMaxStep);
    check_range("padding", padding, 0, mapt::kMaxStep);
    check_range("dilation", dilation, 1, mapt::kMaxStep);
    TORCH_CHECK(weight.size(1) == input.size(1), "mapt: weight reads ", weight.size(1), " channels, input has ",
                input.size(1));
    TORCH_CHECK(weight.size(2) > 0 && weight.size(3) > 0, "mapt: an empty kernel");
    TORCH_CHECK(out_size(0) > 0 && out_size(1) > 0, "mapt: the kernel is larger than the padded input");
    TORCH_CHECK(mapt::is_small_field(weight.size(2) * weight.size(3), out_size(0), out_size(1)),
                "mapt: offset has more than 2^31 samples");
    check_small("the output", out_shape());
    TORCH_CHECK(offset.size(0) == 1 || offset.size(0) == input.size(0), "mapt: offset has a batch of ", offset.size(0),
                ", not 1 or ", input.size(0));
    check_shape(offset, "offset", {offset.size(0), 2 * weight.size(2) * weight.size(3), out_size(0), out_size(1)});
    if (bias.defined()) {
      check_like(bias, "bias", input, 1);
      check_shape(bias, "bias", {weight.size(0)});
    }
  }
};

void run_convolution(const Convolution& c, const Tensor& out) {
  for_value_type(c.input, [&](auto value, auto coordinate) {
    using T = decltype(value);
    run(c.params<T, decltype(coordinate)>(mutable_data<T>(out)), out);
  });
}

Tensor deform_conv2d(const Tensor& input, const Tensor& offset, const Tensor& weight, const std::optional<Tensor>& bias,
                     int64_t stride, int64_t padding, int64_t dilation) {
  const Convolution c(input, offset, weight, bias, stride, padding, dilation);
  Tensor out = at::empty(c.out_shape(), c.input.options());
  run_convolution(c, out);
  return out;
}

void deform_conv2d_out(const Tensor& input, const Tensor& offset, const Tensor& weight,
                       const std::optional<Tensor>& bias, int64_t stride, int64_t padding, int64_t dilation,
                       const Tensor& out) {
  const Convolution c(input, offset, weight, bias, stride, padding, dilation);
  check_out(out, "out", c.out_shape(), c.input);
  run_convolution(c, out);
}

std::tuple<Tensor, Tensor, Tensor, Tensor> deform_conv2d_backward(const Tensor& grad, const Tensor& input,
                                                                  const Tensor& offset, const Tensor& weight,
                                                                  int64_t stride, int64_t padding, int64_t dilation,
                                                                  std::array<bool, 4> wanted) {
  const Convolution c(input, offset, weight, std::nullopt, stride, padding, dilation);
  const Tensor from = grad.contiguous();
  check_like(from, "grad", c.input, 4);
  check_shape(from, "grad", c.out_shape());
  const auto made = [&](int which, at::IntArrayRef shape) {
    const auto& like = which == 1 ? c.offset : c.input;
    return at::empty(wanted[which] ? shape : at::IntArrayRef{0}, like.options());
  };
  const Tensor grads[4] = {made(0, c.input.sizes()), made(1, c.offset.sizes()), made(2, c.weight.sizes()),
                           made(3, {c.weight.size(0)})};
  for_gradient_type(c.input, [&](auto value, auto coordinate) {
    using T = decltype(value);
    using C = decltype(coordinate);
    const auto target = [&](int which) { return wanted[which] ? mutable_data<T>(grads[which]) : nullptr; };
    const mapt::DeformConvGrad<T, C> params{c.params<T, C>(nullptr),
                                            data<T>(from),
                                            target(0),
                                            wanted[1] ? mutable_data<C>(grads[1]) : nullptr,
                                            target(2),
                                            target(3)};
    run(params, from);
  });
  return {grads[0], grads[1], grads[2], grads[3]};
}

}  // namespace

#if !defined(MAPT_TORCH_CUDA)
TORCH_LIBRARY_FRAGMENT(mapt, m) {
  m.def(
      "deform_conv2d(Tensor input, Tensor offset, Tensor weight, Tensor? bias, int stride, int padding, int dilation) "
      "-> Tensor");
  m.def(
      "deform_conv2d_out(Tensor input, Tensor offset, Tensor weight, Tensor? bias, int stride, int padding, "
      "int dilation, Tensor(a!) out) -> ()");
  // `wanted` selects the gradients of input, offset, weight and bias. The others are returned empty.
  m.def(
      "deform_conv2d_backward(Tensor grad, Tensor input, Tensor offset, Tensor weight, int stride, int padding, "
      "int dilation, bool[4] wanted) -> (Tensor, Tensor, Tensor, Tensor)");
}
#endif

TORCH_LIBRARY_IMPL(mapt, MAPT_TORCH_DEVICE, m) {
  m.impl("deform_conv2d", &deform_conv2d);
  m.impl("deform_conv2d_out", &deform_conv2d_out);
  m.impl("deform_conv2d_backward", &deform_conv2d_backward);
}
