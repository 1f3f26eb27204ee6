// Runs an ONNX file on a JPEG image with onnxruntime and prints the boxes.
//
//   detect_onnx MODEL IMAGE [MIN_SCORE]

#include <onnxruntime_cxx_api.h>

#include <iostream>

#include "description.h"
#include "image.h"

int main(int argc, char** argv) try {
  if (argc < 3) throw std::runtime_error("usage: detect_onnx MODEL IMAGE [MIN_SCORE]");
  Ort::Env environment(ORT_LOGGING_LEVEL_ERROR);
  Ort::Session session(environment, argv[1], Ort::SessionOptions{});
  Ort::AllocatorWithDefaultOptions allocator;
  const auto json = session.GetModelMetadata().LookupCustomMetadataMapAllocated("detectory.json", allocator);
  if (!json) throw std::runtime_error("the file does not contain detectory.json");
  const Description description(json.get());
  const Image original = read_jpeg(argv[2]);
  const Image image = resize_shortest_edge(original, description.shortest_side, description.longest_side);
  auto pixels = planar(image, description.input_format);
  const std::vector<int64_t> shape{3, image.height, image.width};
  const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  const auto input = Ort::Value::CreateTensor<float>(memory, pixels.data(), pixels.size(), shape.data(), shape.size());
  const char* inputs[] = {"image"};
  std::vector<const char*> names;
  for (const auto& name : description.outputs) names.push_back(name.c_str());
  auto outputs = session.Run(Ort::RunOptions{}, inputs, &input, 1, names.data(), names.size());
  const auto& scores = outputs[description.output("scores")];
  description.print(outputs[description.output("pred_boxes")].GetTensorData<float>(), scores.GetTensorData<float>(),
                    outputs[description.output("pred_classes")].GetTensorData<int64_t>(),
                    scores.GetTensorTypeAndShapeInfo().GetElementCount(),
                    static_cast<double>(original.width) / image.width,
                    static_cast<double>(original.height) / image.height, argc > 3 ? std::stod(argv[3]) : 0.0);
  return 0;
} catch (const std::exception& error) {
  std::cerr << "Error: " << error.what() << "\n";
  return 1;
}
