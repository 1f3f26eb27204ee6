// Runs an AOTInductor package (.pt2) or a TorchScript file (.ts) on a JPEG image and prints the boxes.
//
//   detect_torch MODEL OPERATORS IMAGE [MIN_SCORE]
//
// OPERATORS is the library _C*.so of detectory-ops:
//   python -c "import detectory.ops, pathlib; print(*pathlib.Path(detectory.ops.__file__).parent.glob('_C*'))"

#include <caffe2/serialize/inline_container.h>
#include <dlfcn.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/script.h>

#include <iostream>

#include "description.h"
#include "image.h"

namespace {

std::string read_description(const std::string& path) {
  caffe2::serialize::PyTorchStreamReader reader(path);
  const auto [data, size] = reader.getRecord("extra/detectory.json");
  return std::string(static_cast<const char*>(data.get()), size);
}

std::vector<at::Tensor> run(const std::string& path, const at::Tensor& image) {
  if (path.size() > 4 && path.substr(path.size() - 4) == ".pt2") {
    torch::inductor::AOTIModelPackageLoader model(path);
    std::vector<at::Tensor> inputs{image};
    return model.run(inputs);
  }
  auto model = torch::jit::load(path);
  std::vector<at::Tensor> outputs;
  // The tuple owns the outputs during the loop.
  const auto tuple = model.forward({image}).toTuple();
  for (const auto& value : tuple->elements()) outputs.push_back(value.toTensor());
  return outputs;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 4) throw std::runtime_error("usage: detect_torch MODEL OPERATORS IMAGE [MIN_SCORE]");
  // The static initializers of the library register the operators.
  if (!dlopen(argv[2], RTLD_NOW | RTLD_GLOBAL)) throw std::runtime_error(dlerror());
  const Description description(read_description(argv[1]));
  const Image original = read_jpeg(argv[3]);
  const Image image = resize_shortest_edge(original, description.shortest_side, description.longest_side);
  auto pixels = planar(image, description.input_format);
  const c10::InferenceMode guard;
  const auto outputs = run(argv[1], torch::from_blob(pixels.data(), {3, image.height, image.width}));
  const auto boxes = outputs[description.output("pred_boxes")].contiguous();
  const auto scores = outputs[description.output("scores")].contiguous();
  const auto labels = outputs[description.output("pred_classes")].contiguous();
  description.print(boxes.data_ptr<float>(), scores.data_ptr<float>(), labels.data_ptr<int64_t>(), scores.size(0),
                    static_cast<double>(original.width) / image.width,
                    static_cast<double>(original.height) / image.height, argc > 4 ? std::stod(argv[4]) : 0.0);
  return 0;
} catch (const std::exception& error) {
  const std::string message = error.what();  // torch appends a stack trace
  std::cerr << "Error: " << message.substr(0, message.find('\n')) << "\n";
  return 1;
}
