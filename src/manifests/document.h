// Documents: the objects in files and directories of YAML and JSON, each with where it stands.
//
// A file may hold several documents, a document may be a List; a broken document does not hide the
// others. Read by manifests/load.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "jsonio/json.h"

namespace caracal::manifests {

// A place in a file.
struct Source {
  std::string file;     // empty: an object of a cluster
  size_t line = 0;      // from 1: where the object begins
  size_t document = 0;  // from 1, in the file
  bool operator==(const Source&) const = default;
};

// Something wrong with what was read. Errors change the exit status of commands.
struct Problem {
  bool error = true;
  Source source;
  std::string object;   // "NetworkPolicy dev/web"; empty when it cannot be told
  std::string message;  // begins with the field where there is one
  // "deploy.yaml:12: document 2: NetworkPolicy dev/web: spec.podSelector: required"
  std::string to_string() const;
};

struct Document {
  Source source;
  json::value value;                        // one object, never a List
  std::shared_ptr<const std::string> text;  // of the whole document
  size_t text_line = 1;                     // where `text` begins
  std::string path;                         // where in it the object is: "", "items[3]"
};

struct Documents {
  std::vector<Document> documents;
  std::vector<Problem> problems;
};

// Files, and directories with what is below them (*.yaml, *.yml, *.json; hidden folders left out),
// in the order of names. "-" is standard input. A path that cannot be read is a problem.
Documents read_documents(const std::vector<std::string>& paths);
// One text, as if it were the file of that name.
void parse_documents(const std::string& file, std::string_view text, Documents& out);

// The line (from 1, in the file) of a field of the object such as "spec.ingress[0].ports[1].port",
// or of the nearest one above it that is there.
size_t line_of(const Document& document, std::string_view field);

}  // namespace caracal::manifests
