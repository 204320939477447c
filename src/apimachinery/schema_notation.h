// The compact notation in which builtin kinds and the bundled CRDs are written (types/*.yaml,
// crds/*.yaml): named definitions, one line a field.
//
//   package: io.k8s.api.networking.v1
//   definitions:
//     IPBlock:
//       about: A range of addresses with holes in it.
//       cidr: string required -- The range.
//       except: string[] list=atomic -- Ranges inside cidr that are left out.
//     Quantity: string quantity -- A fixed-point number.      # a definition of a scalar
//
// A field is `TYPE [ATTRIBUTE ...] [-- DESCRIPTION]`. TYPE: string bytes int32 int64 integer number
// double boolean object (a map of anything) any intorstring, or a definition, then [] for a list of
// it or {} for a map to it. Attributes: required nullable unique preserve embedded quantity
// intorstring; default=JSON enum=A,B format=F pattern=RE min= max= xmin= xmax= minlen= maxlen=
// minitems= maxitems= minprops= maxprops= list=atomic|set|map keys=A,B map=atomic patch=STRATEGY
// mergekey=KEY. The prefix `item.` puts an attribute on the elements (or map values). A definition
// takes attributes of its own in `is:`.
//
// A name without dots is looked for in the own package first, then everywhere. Single-threaded; the
// schemas are immutable after resolve().
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apimachinery/schema.h"
#include "base/result.h"

namespace caracal::apimachinery {

class NotationLoader {
 public:
  NotationLoader() : pool_(std::make_shared<SchemaPool>()) {}

  // Takes the `package` and `definitions` of one file. `kinds` are definitions that are whole
  // objects: they get apiVersion, kind and metadata.
  Status add(const json::value& file, const std::set<std::string>& kinds);
  // Parses everything added and joins references; call once, after the last add().
  Status resolve();

  // REQUIRES: resolve() succeeded. nullptr when there is no such definition.
  const Schema* find(std::string_view name, std::string_view package = {}) const;
  std::shared_ptr<const SchemaPool> pool() const { return pool_; }

 private:
  struct Definition {
    std::string package;
    json::value body;
    bool is_kind = false;
    Schema* node = nullptr;
  };

  Status parse_definition(const std::string& name, Definition& definition);
  Result<Schema*> parse_field(std::string_view text, const std::string& package);
  Result<Schema*> parse_type(std::string_view type, const std::string& package);
  const Definition* lookup(std::string_view name, std::string_view package) const;

  std::shared_ptr<SchemaPool> pool_;
  std::map<std::string, Definition, std::less<>> definitions_;  // by full name
  std::vector<std::pair<Schema*, const Definition*>> references_;
};

}  // namespace caracal::apimachinery
