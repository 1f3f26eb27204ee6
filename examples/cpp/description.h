// The description in an exported file (detectory.json), and the output of detections.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <regex>
#include <stdexcept>
#include <string>
#include <vector>

struct Description {
  int shortest_side, longest_side;
  std::string input_format;
  std::vector<std::string> outputs, classes;

  explicit Description(const std::string& json)
      : shortest_side(std::stoi(value(json, "shortest_side", "(\\d+)"))),
        longest_side(std::stoi(value(json, "longest_side", "(\\d+)"))),
        input_format(value(json, "input_format", "\"(\\w+)\"")),
        outputs(strings(value(json, "output_names", "\\[([^\\]]*)\\]"))) {
    if (json.find("\"classes\": {}") == std::string::npos) classes = strings(value(json, "names", "\\[([^\\]]*)\\]"));
  }

  size_t output(const std::string& name) const {
    const auto found = std::find(outputs.begin(), outputs.end(), name);
    if (found == outputs.end()) throw std::runtime_error("the model has no output " + name);
    return found - outputs.begin();
  }

  // Prints "class score x1 y1 x2 y2" per detection, in pixels of the original image.
  void print(const float* boxes, const float* scores, const int64_t* labels, size_t count, double scale_x,
             double scale_y, double min_score) const {
    for (size_t i = 0; i < count; ++i) {
      if (scores[i] < min_score) continue;
      const size_t label = static_cast<size_t>(labels[i]);
      const std::string name = label < classes.size() ? classes[label] : std::to_string(label);
      std::printf("%s %.4f %.2f %.2f %.2f %.2f\n", name.c_str(), scores[i], boxes[4 * i] * scale_x,
                  boxes[4 * i + 1] * scale_y, boxes[4 * i + 2] * scale_x, boxes[4 * i + 3] * scale_y);
    }
  }

 private:
  // Exported descriptions are flat JSON in ASCII; a program with a JSON library would use that instead.
  static std::string value(const std::string& json, const std::string& key, const std::string& pattern) {
    std::smatch match;
    if (!std::regex_search(json, match, std::regex("\"" + key + "\": " + pattern)))
      throw std::runtime_error("detectory.json: field '" + key + "' is missing");
    return match[1];
  }

  static std::vector<std::string> strings(const std::string& list) {
    const std::regex quoted("\"((?:[^\"\\\\]|\\\\.)*)\"");
    std::vector<std::string> result;
    for (std::sregex_iterator match(list.begin(), list.end(), quoted), end; match != end; ++match)
      result.push_back((*match)[1]);
    return result;
  }
};
