#include "manifests/document.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <iterator>

#include "base/file.h"
#include "base/strings.h"
#include "jsonio/yaml.h"

namespace caracal::manifests {
namespace {

namespace fs = std::filesystem;

// A line that ends a document: "---" or "...", alone or before a space.
bool is_marker(std::string_view line) {
  if (!line.starts_with("---") && !line.starts_with("...")) return false;
  return line.size() == 3 || line[3] == ' ' || line[3] == '\t' || line[3] == '\r';
}

struct Piece {
  size_t line = 1;
  std::string text;
};

// YAML streams are cut at their markers before they are parsed, so that one broken document leaves
// the others readable. A marker stands at the beginning of its line; no text inside a document can.
std::vector<Piece> cut(std::string_view text) {
  std::vector<Piece> pieces(1);
  size_t line_number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++line_number;
    if (is_marker(line)) {
      // What stands behind the marker belongs to the new document.
      pieces.push_back({line_number, std::string(3, ' ') + std::string(line.substr(3)) + "\n"});
      continue;
    }
    pieces.back().text.append(line);
    pieces.back().text.push_back('\n');
  }
  return pieces;
}

bool is_blank(std::string_view text) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (!line.empty() && line[0] != '#' && line[0] != '%') return false;
  }
  return true;
}

// Where the first line with content is.
size_t first_line(const Piece& piece) {
  size_t line = piece.line;
  std::string_view text = piece.text;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view content = trim(text.substr(0, end));
    if (!content.empty() && content[0] != '#') return line;
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++line;
  }
  return piece.line;
}

// Lists are opened; what is inside without apiVersion or kind takes them from the list's kind.
void add_object(Documents& out, const Document& document, json::value value,
                std::string_view kind = {}, std::string_view api_version = {}) {
  json::object* object = value.if_object();
  if (object == nullptr) {
    out.problems.push_back({false, document.source, "", "not an object; passed over"});
    return;
  }
  if (!kind.empty() && !object->contains("kind")) (*object)["kind"] = kind;
  if (!api_version.empty() && !object->contains("apiVersion"))
    (*object)["apiVersion"] = api_version;
  const std::string own_kind(jsonio::get_string(value, {"kind"}));
  const json::value* items = jsonio::get(value, {"items"});
  if (own_kind.ends_with("List") && items != nullptr) {
    const json::array* list = items->if_array();
    if (list == nullptr && !items->is_null()) {
      out.problems.push_back({true, document.source, own_kind, "items: must be an array"});
      return;
    }
    const std::string_view inner = own_kind == "List"
                                       ? std::string_view()
                                       : std::string_view(own_kind).substr(0, own_kind.size() - 4);
    const std::string version(jsonio::get_string(value, {"apiVersion"}));
    for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
      Document element = document;
      const std::string step = fmt::format("items[{}]", i);
      element.source.line = line_of(document, step);
      element.path = document.path.empty() ? step : document.path + "." + step;
      add_object(out, element, (*list)[i], inner, inner.empty() ? std::string_view() : version);
    }
    return;
  }
  if (own_kind.empty() || jsonio::get_string(value, {"apiVersion"}).empty()) {
    out.problems.push_back({false, document.source, own_kind,
                            "no Kubernetes object (it has no apiVersion or no kind); passed over"});
    return;
  }
  Document one = document;
  one.value = std::move(value);
  out.documents.push_back(std::move(one));
}

void add_file(const std::string& path, Documents& out) {
  const auto text = caracal::read_file(path);
  if (!text) {
    out.problems.push_back({true, {path, 0, 0}, "", text.error().message});
    return;
  }
  parse_documents(path, *text, out);
}

bool is_manifest(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

void read_directory(const std::string& path, Documents& out) {
  std::vector<std::string> files;
  std::error_code error;
  fs::recursive_directory_iterator it(path, error);
  for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    const fs::path& entry = it->path();
    std::error_code ignored;
    if (it->is_directory(ignored)) {
      if (entry.filename().string().starts_with(".")) it.disable_recursion_pending();
    } else if (is_manifest(entry) && it->is_regular_file(ignored)) {
      files.push_back(entry.string());
    }
  }
  if (error) out.problems.push_back({true, {path, 0, 0}, "", "cannot be read: " + error.message()});
  std::sort(files.begin(), files.end());
  for (const std::string& file : files) add_file(file, out);
}

}  // namespace

std::string Problem::to_string() const {
  std::string text = source.file;
  if (source.line != 0) text += fmt::format(":{}", source.line);
  if (source.document > 1) text += fmt::format(": document {}", source.document);
  for (const std::string* part : {&object, &message}) {
    if (part->empty()) continue;
    if (!text.empty()) text += ": ";
    text += *part;
  }
  return text;
}

void parse_documents(const std::string& file, std::string_view text, Documents& out) {
  // JSON is YAML, too, but for the tabs some programs indent it with; and its own parser is faster.
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && (text[first] == '{' || text[first] == '[')) {
    if (auto value = jsonio::parse(text)) {
      Document document{{file, 1, 1}, {}, std::make_shared<std::string>(text), 1, {}};
      if (const json::array* list = value->if_array()) {
        for (const json::value& element : *list) add_object(out, document, element);
      } else {
        add_object(out, document, std::move(*value));
      }
      return;
    }
  }
  size_t number = 0;
  for (Piece& piece : cut(text)) {
    if (is_blank(piece.text)) continue;
    Document document{{file, first_line(piece), ++number}, {}, nullptr, piece.line, {}};
    document.text = std::make_shared<std::string>(std::move(piece.text));
    auto values = jsonio::parse_yaml(*document.text);
    if (!values) {
      // Once more, at its place in the file: the message tells the line.
      const auto again =
          jsonio::parse_yaml(std::string(document.text_line - 1, '\n') + *document.text);
      out.problems.push_back(
          {true, document.source, "", again ? values.error().message : again.error().message});
      continue;
    }
    for (json::value& value : *values) add_object(out, document, std::move(value));
  }
}

Documents read_documents(const std::vector<std::string>& paths) {
  Documents out;
  for (const std::string& path : paths) {
    std::error_code error;
    if (path == "-") {
      const std::string text((std::istreambuf_iterator<char>(std::cin)),
                             std::istreambuf_iterator<char>());
      parse_documents("standard input", text, out);
    } else if (fs::is_directory(path, error)) {
      read_directory(path, out);
    } else {
      add_file(path, out);
    }
  }
  return out;
}

size_t line_of(const Document& document, std::string_view field_of_object) {
  if (document.text == nullptr) return document.source.line;
  std::string whole = document.path;
  if (!whole.empty() && !field_of_object.empty()) whole += ".";
  whole += field_of_object;
  std::string_view field = whole;
  try {
    YAML::Node node = YAML::Load(*document.text);
    size_t line = document.source.line;
    while (!field.empty()) {
      YAML::Node next;
      if (field[0] == '[') {
        const size_t close = field.find(']');
        const auto index = parse_decimal(field.substr(1, close - 1), 1'000'000);
        if (!index || !node.IsSequence() || *index >= node.size()) break;
        next.reset(node[static_cast<size_t>(*index)]);
        field.remove_prefix(close + 1);
      } else {
        const size_t end = std::min(field.find_first_of(".["), field.size());
        const std::string key(field.substr(0, end));
        if (!node.IsMap() || !node[key].IsDefined()) break;
        for (const auto& member : node) {
          if (member.first.Scalar() == key && member.first.Mark().line >= 0)
            line = document.text_line + static_cast<size_t>(member.first.Mark().line);
        }
        next.reset(node[key]);
        field.remove_prefix(end);
        node.reset(next);
        if (field.starts_with('.')) field.remove_prefix(1);
        continue;
      }
      if (next.Mark().line >= 0) line = document.text_line + static_cast<size_t>(next.Mark().line);
      node.reset(next);
      if (field.starts_with('.')) field.remove_prefix(1);
    }
    return line;
  } catch (const YAML::Exception&) {  // text that only the JSON parser takes
    return document.source.line;
  }
}

}  // namespace caracal::manifests
