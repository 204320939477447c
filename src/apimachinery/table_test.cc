#include "apimachinery/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "apimachinery/resource_type.h"

namespace caracal::apimachinery {
namespace {

json::value J(std::string_view text) { return jsonio::parse(text).value(); }

const Timestamp kNow = *parse_rfc3339("2026-03-01T12:00:00Z");

std::shared_ptr<const TableLayout> layout_of(std::string_view group, std::string_view kind) {
  static const auto registry = ResourceRegistry::with_builtins();
  return table_layout(*(*registry)->snapshot()->find_kind(group, "v1", kind));
}

// The cells of one object between bars; those of -o wide too.
std::string row(const TableLayout& layout, const json::value& object) {
  std::string out;
  for (const TableColumn& column : layout.columns) {
    const json::value cell = column.cell(object, kNow);
    const json::string* text = cell.if_string();
    out +=
        (out.empty() ? "" : "|") + (text != nullptr ? std::string(*text) : jsonio::to_string(cell));
  }
  return out;
}
std::string row(std::string_view group, std::string_view kind, std::string_view object) {
  return row(*layout_of(group, kind), J(object));
}

std::string headers(std::string_view group, std::string_view kind) {
  std::string out;
  for (const TableColumn& column : layout_of(group, kind)->columns) {
    out += (out.empty() ? "" : column.priority == 0 ? "|" : "|+") + column.name;
  }
  return out;
}

TEST(TableColumns, AreThoseKubectlUsersKnow) {
  EXPECT_EQ(headers("", "Pod"),
            "Name|Ready|Status|Restarts|Age|+IP|+Node|+Nominated Node|+Readiness Gates");
  EXPECT_EQ(headers("", "Node"),
            "Name|Status|Roles|Age|Version|+Internal-IP|+External-IP|+OS-Image|"
            "+Kernel-Version|+Container-Runtime");
  EXPECT_EQ(headers("", "Namespace"), "Name|Status|Age");
  EXPECT_EQ(headers("", "Service"), "Name|Type|Cluster-IP|External-IP|Port(s)|Age|+Selector");
  EXPECT_EQ(headers("", "ServiceAccount"), "Name|Secrets|Age");
  EXPECT_EQ(headers("", "ConfigMap"), "Name|Data|Age");
  EXPECT_EQ(headers("", "Secret"), "Name|Type|Data|Age");
  EXPECT_EQ(headers("", "Endpoints"), "Name|Endpoints|Age");
  EXPECT_EQ(headers("", "Event"),
            "Last Seen|Type|Reason|Object|+Subobject|+Source|Message|+First Seen|"
            "+Count|+Name");
  EXPECT_EQ(headers("discovery.k8s.io", "EndpointSlice"), "Name|AddressType|Ports|Endpoints|Age");
  EXPECT_EQ(headers("networking.k8s.io", "NetworkPolicy"), "Name|Pod-Selector|Age");
  EXPECT_EQ(headers("coordination.k8s.io", "Lease"), "Name|Holder|Age");
  EXPECT_EQ(headers("apiextensions.k8s.io", "CustomResourceDefinition"), "Name|Created At");
}

TEST(PodRow, Running) {
  EXPECT_EQ(row("", "Pod", R"({"metadata":{"name":"web","creationTimestamp":"2026-03-01T11:57:00Z"},
      "spec":{"nodeName":"n1","containers":[{"name":"a"},{"name":"b"}],"readinessGates":[{"conditionType":"x"}]},
      "status":{"phase":"Running","podIP":"10.1.0.5","podIPs":[{"ip":"10.1.0.5"},{"ip":"fd00::5"}],
        "conditions":[{"type":"x","status":"True"}],
        "containerStatuses":[
          {"name":"a","ready":true,"restartCount":0,"state":{"running":{}}},
          {"name":"b","ready":true,"restartCount":2,"state":{"running":{}},
           "lastState":{"terminated":{"exitCode":1,"finishedAt":"2026-03-01T11:59:00Z"}}}]}})"),
            "web|2/2|Running|2 (60s ago)|3m|10.1.0.5|n1|<none>|1/1");
  EXPECT_EQ(row("", "Pod", R"({"metadata":{"name":"web"},"spec":{"containers":[{"name":"a"}]},
                               "status":{"phase":"Pending"}})"),
            "web|0/1|Pending|0|<unknown>|<none>|<none>|<none>|<none>");
}

std::string pod_status(std::string_view object) {
  const json::value cell = layout_of("", "Pod")->columns[2].cell(J(object), kNow);
  return std::string(cell.get_string());
}

TEST(PodRow, StatusIsToldFromTheContainers) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"status":{"phase":"Pending","containerStatuses":[{"state":{"waiting":{"reason":"ContainerCreating"}}}]}})",
       "ContainerCreating"},
      {R"({"status":{"phase":"Running","containerStatuses":[{"state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}})",
       "CrashLoopBackOff"},
      {R"({"status":{"phase":"Pending","containerStatuses":[{"state":{"waiting":{}}}]}})",
       "Pending"},
      {R"({"status":{"phase":"Succeeded","containerStatuses":[{"state":{"terminated":{"reason":"Completed"}}}]}})",
       "Completed"},
      {R"({"status":{"phase":"Failed","containerStatuses":[{"state":{"terminated":{"exitCode":3}}}]}})",
       "ExitCode:3"},
      {R"({"status":{"phase":"Failed","containerStatuses":[{"state":{"terminated":{"signal":9,"exitCode":137}}}]}})",
       "Signal:9"},
      {R"({"status":{"phase":"Failed","reason":"Evicted"}})", "Evicted"},
      // One container is done, another still runs.
      {R"({"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}],"containerStatuses":[
            {"state":{"terminated":{"reason":"Completed"}}},{"ready":true,"state":{"running":{}}}]}})",
       "Running"},
      {R"({"status":{"phase":"Running","containerStatuses":[
            {"state":{"terminated":{"reason":"Completed"}}},{"ready":true,"state":{"running":{}}}]}})",
       "NotReady"},
      // The first container that has a reason tells it.
      {R"({"status":{"phase":"Running","containerStatuses":[
            {"state":{"waiting":{"reason":"ErrImagePull"}}},{"state":{"waiting":{"reason":"Other"}}}]}})",
       "ErrImagePull"},
      {R"({"metadata":{"deletionTimestamp":"2026-03-01T12:00:00Z"},"status":{"phase":"Running"}})",
       "Terminating"},
      {R"({"metadata":{"deletionTimestamp":"2026-03-01T12:00:00Z"},"status":{"phase":"Running","reason":"NodeLost"}})",
       "Unknown"},
      {R"({"spec":{"initContainers":[{"name":"i"},{"name":"j"}]},"status":{"phase":"Pending","initContainerStatuses":[
            {"name":"i","state":{"running":{}}},{"name":"j","state":{"waiting":{"reason":"PodInitializing"}}}]}})",
       "Init:0/2"},
      {R"({"spec":{"initContainers":[{"name":"i"},{"name":"j"}]},"status":{"phase":"Pending","initContainerStatuses":[
            {"name":"i","state":{"terminated":{"exitCode":0}}},{"name":"j","state":{"running":{}}}]}})",
       "Init:1/2"},
      {R"({"spec":{"initContainers":[{"name":"i"}]},"status":{"phase":"Pending","initContainerStatuses":[
            {"name":"i","state":{"terminated":{"exitCode":1,"reason":"Error"}}}]}})",
       "Init:Error"},
      {R"({"spec":{"initContainers":[{"name":"i"}]},"status":{"phase":"Pending","initContainerStatuses":[
            {"name":"i","state":{"waiting":{"reason":"ErrImagePull"}}}]}})",
       "Init:ErrImagePull"},
      {R"({"spec":{"initContainers":[{"name":"i"}]},"status":{"phase":"Pending",
            "initContainerStatuses":[{"name":"i","state":{"terminated":{"exitCode":0}}}],
            "containerStatuses":[{"state":{"waiting":{"reason":"PodInitializing"}}}]}})",
       "PodInitializing"},
      {R"({"status":{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False",
            "reason":"SchedulingGated"}]}})",
       "SchedulingGated"},
      {R"({})", ""},
  };
  for (const auto& [pod, status] : cases) EXPECT_EQ(pod_status(pod), status) << pod;
}

TEST(PodRow, SidecarsCount) {
  EXPECT_EQ(row("", "Pod", R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"a"}],
      "initContainers":[{"name":"s","restartPolicy":"Always"}]},
      "status":{"phase":"Running",
        "initContainerStatuses":[{"name":"s","started":true,"ready":true,"state":{"running":{}}}],
        "containerStatuses":[{"name":"a","ready":true,"state":{"running":{}}}]}})")
                .substr(0, 16),
            "p|2/2|Running|0|");
}

TEST(Rows, OfTheOtherKinds) {
  EXPECT_EQ(row("", "Node", R"({"metadata":{"name":"n1","creationTimestamp":"2026-02-27T12:00:00Z",
      "labels":{"node-role.kubernetes.io/worker":"","kubernetes.io/role":"edge"}},
      "spec":{"unschedulable":true},
      "status":{"conditions":[{"type":"Ready","status":"True"}],
        "addresses":[{"type":"Hostname","address":"n1"},{"type":"InternalIP","address":"192.0.2.1"}],
        "nodeInfo":{"kubeletVersion":"v1.32.0","osImage":"Debian","kernelVersion":"6.1",
                    "containerRuntimeVersion":"x://1"}}})"),
            "n1|Ready,SchedulingDisabled|edge,worker|2d|v1.32.0|192.0.2.1|<none>|Debian|6.1|x://1");
  EXPECT_EQ(row("", "Node", R"({"metadata":{"name":"n1"},"status":{"conditions":[{"type":"Ready",
                                "status":"Unknown"}]}})"),
            "n1|NotReady|<none>|<unknown>||<none>|<none>|<unknown>|<unknown>|<unknown>");
  EXPECT_EQ(row("", "Namespace", R"({"metadata":{"name":"dev"},"status":{"phase":"Active"}})"),
            "dev|Active|<unknown>");
  EXPECT_EQ(row("", "Service",
                R"({"metadata":{"name":"s"},"spec":{"type":"ClusterIP","clusterIP":"10.96.0.1",
      "clusterIPs":["10.96.0.1"],"selector":{"b":"2","a":"1"},
      "ports":[{"port":80,"protocol":"TCP"},{"port":53,"protocol":"UDP"}]}})"),
            "s|ClusterIP|10.96.0.1|<none>|80/TCP,53/UDP|<unknown>|a=1,b=2");
  EXPECT_EQ(row("", "Service",
                R"({"metadata":{"name":"s"},"spec":{"type":"LoadBalancer","clusterIP":"10.96.0.1",
      "ports":[{"port":80,"nodePort":30080,"protocol":"TCP"}]}})"),
            "s|LoadBalancer|10.96.0.1|<pending>|80:30080/TCP|<unknown>|<none>");
  EXPECT_EQ(row("", "Service", R"({"metadata":{"name":"s"},"spec":{"type":"ExternalName",
                                   "externalName":"example.com"}})"),
            "s|ExternalName|<none>|example.com|<none>|<unknown>|<none>");
  EXPECT_EQ(row("", "Service",
                R"({"metadata":{"name":"s"},"spec":{"clusterIP":"None","clusterIPs":["None"],
                                   "externalIPs":["198.51.100.1"]}})"),
            "s|ClusterIP|None|198.51.100.1|<none>|<unknown>|<none>");
  EXPECT_EQ(row("", "ServiceAccount", R"({"metadata":{"name":"a"},"secrets":[{}]})"),
            "a|1|<unknown>");
  EXPECT_EQ(
      row("", "ConfigMap", R"({"metadata":{"name":"a"},"data":{"x":"1"},"binaryData":{"y":""}})"),
      "a|2|<unknown>");
  EXPECT_EQ(row("", "Secret", R"({"metadata":{"name":"a"},"type":"Opaque","data":{"x":"1"}})"),
            "a|Opaque|1|<unknown>");
  EXPECT_EQ(
      row("", "Endpoints", R"({"metadata":{"name":"e"},"subsets":[{"addresses":[{"ip":"10.0.0.1"},
      {"ip":"fd00::1"}],"ports":[{"port":80},{"port":443}]}]})"),
      "e|10.0.0.1:80,[fd00::1]:80,10.0.0.1:443 + 1 more...|<unknown>");
  EXPECT_EQ(row("", "Endpoints", R"({"metadata":{"name":"e"}})"), "e|<none>|<unknown>");
  EXPECT_EQ(
      row("discovery.k8s.io", "EndpointSlice", R"({"metadata":{"name":"e"},"addressType":"IPv4",
      "ports":[{"port":80},{"name":"any"}],"endpoints":[{"addresses":["10.0.0.1"]},{"addresses":["10.0.0.2"]}]})"),
      "e|IPv4|80,*|10.0.0.1,10.0.0.2|<unknown>");
  EXPECT_EQ(row("coordination.k8s.io", "Lease",
                R"({"metadata":{"name":"l"},"spec":{"holderIdentity":"me"}})"),
            "l|me|<unknown>");
  EXPECT_EQ(row("apiextensions.k8s.io", "CustomResourceDefinition",
                R"({"metadata":{"name":"c","creationTimestamp":"2026-03-01T11:00:00Z"}})"),
            "c|2026-03-01T11:00:00Z");
}

TEST(Rows, EventsTellWhenAndAboutWhat) {
  EXPECT_EQ(row("", "Event", R"({"metadata":{"name":"e.1"},"type":"Warning","reason":"Failed",
      "message":" no room \n","count":3,"firstTimestamp":"2026-03-01T11:00:00Z",
      "lastTimestamp":"2026-03-01T11:59:30Z","source":{"component":"kubelet","host":"n1"},
      "involvedObject":{"kind":"Pod","name":"web","fieldPath":"spec.containers{a}"}})"),
            "30s|Warning|Failed|pod/web|spec.containers{a}|kubelet, n1|no room|60m|3|e.1");
  EXPECT_EQ(row("", "Event", R"({"metadata":{"name":"e"},"eventTime":"2026-03-01T11:59:00.000000Z",
      "reportingComponent":"c","involvedObject":{"kind":"Node"}})"),
            "60s|||node||c||60s|1|e");
}

TEST(Rows, NetworkPolicySelectors) {
  const auto selector = [](std::string_view text) {
    return row("networking.k8s.io", "NetworkPolicy",
               R"({"metadata":{"name":"n"},"spec":{"podSelector":)" + std::string(text) + "}}");
  };
  EXPECT_EQ(selector("{}"), "n|<none>|<unknown>");
  EXPECT_EQ(selector(R"({"matchLabels":{"b":"2","a":"1"}})"), "n|a=1,b=2|<unknown>");
  EXPECT_EQ(selector(R"({"matchLabels":{"b":"2"},"matchExpressions":[
      {"key":"a","operator":"In","values":["y","x"]},{"key":"c","operator":"NotIn","values":["z"]},
      {"key":"d","operator":"Exists"},{"key":"e","operator":"DoesNotExist"}]})"),
            "n|a in (x,y),b=2,c notin (z),d,!e|<unknown>");
}

ResourceType custom_type(std::string_view printer_columns) {
  ResourceType type;
  type.builtin = false;
  type.printer_columns = J(printer_columns).get_array();
  return type;
}

TEST(CustomColumns, FollowTheirJsonPaths) {
  const auto layout = table_layout(custom_type(R"([
      {"name":"Order","type":"integer","jsonPath":".spec.order","description":"place in line"},
      {"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"},
      {"name":"Types","type":"string","jsonPath":".spec.types","priority":1},
      {"name":"Weight","type":"number","jsonPath":".spec.weight"},
      {"name":"On","type":"boolean","jsonPath":".spec.on"},
      {"name":"Since","type":"date","jsonPath":".metadata.creationTimestamp"}])"));
  EXPECT_EQ(row(*layout, J(R"({"metadata":{"name":"t","creationTimestamp":"2026-03-01T11:59:00Z"},
      "spec":{"order":100,"types":["a","b"],"weight":1.5,"on":true},
      "status":{"conditions":[{"type":"Ready","status":"True"}]}})")),
            R"(t|100|True|["a","b"]|1.5E0|true|60s)");
  EXPECT_EQ(row(*layout, J(R"({"metadata":{"name":"t"}})")), "t|null|null|null|null|null|null");
  EXPECT_EQ(
      row(*layout, J(R"({"metadata":{"name":"t"},"spec":{"order":"x","on":"y","weight":[]}})")),
      "t|null|null|null|null|null|null");
  EXPECT_EQ(layout->columns[1].description, "place in line");
  EXPECT_EQ(layout->columns[3].priority, 1);
}

TEST(CustomColumns, WithoutAnyShowTheAge) {
  EXPECT_EQ(row(*table_layout(custom_type("[]")),
                J(R"({"metadata":{"name":"t","creationTimestamp":"2026-03-01T11:59:00Z"}})")),
            "t|60s");
}

TEST(Table, OfAList) {
  const std::vector<json::value> objects = {J(R"({"metadata":{"name":"a"},"spec":{}})"),
                                            J(R"({"metadata":{"name":"b"}})")};
  const json::object meta{{"resourceVersion", "7"}, {"continue", "x"}};
  const json::value table = make_table(*layout_of("", "ConfigMap"), objects, meta, {}, kNow);
  EXPECT_EQ(jsonio::get_string(table, {"kind"}), "Table");
  EXPECT_EQ(jsonio::get_string(table, {"apiVersion"}), "meta.k8s.io/v1");
  EXPECT_EQ(jsonio::get_string(table, {"metadata", "continue"}), "x");
  EXPECT_EQ(
      jsonio::to_string(jsonio::get_array(table, {"columnDefinitions"})[0]),
      R"({"name":"Name","type":"string","format":"name","description":"Unique within the namespace; )"
      R"(given by the user or generated, and never changed","priority":0})");
  EXPECT_EQ(jsonio::to_string(jsonio::get_array(table, {"rows"})),
            R"([{"cells":["a",0,"<unknown>"],"object":{"kind":"PartialObjectMetadata",)"
            R"("apiVersion":"meta.k8s.io/v1","metadata":{"name":"a"}}},)"
            R"({"cells":["b",0,"<unknown>"],"object":{"kind":"PartialObjectMetadata",)"
            R"("apiVersion":"meta.k8s.io/v1","metadata":{"name":"b"}}}])");
}

TEST(Table, OfOneObjectAndOfAnEvent) {
  const std::vector<json::value> objects = {
      J(R"({"metadata":{"name":"a","resourceVersion":"9"},"data":{}})")};
  const auto& layout = *layout_of("", "ConfigMap");
  const json::value whole =
      make_table(layout, objects, {}, {IncludeObject::kObject, /*with_columns=*/false}, kNow);
  EXPECT_EQ(jsonio::get_string(whole, {"metadata", "resourceVersion"}), "9");
  EXPECT_TRUE(jsonio::get_array(whole, {"columnDefinitions"}).empty());
  EXPECT_EQ(*jsonio::get(jsonio::get_array(whole, {"rows"})[0], {"object"}), objects[0]);
  const json::value bare = make_table(layout, objects, {}, {IncludeObject::kNone, true}, kNow);
  EXPECT_EQ(jsonio::get(jsonio::get_array(bare, {"rows"})[0], {"object"}), nullptr);
}

TEST(Table, IncludeObject) {
  EXPECT_EQ(*parse_include_object(""), IncludeObject::kMetadata);
  EXPECT_EQ(*parse_include_object("Metadata"), IncludeObject::kMetadata);
  EXPECT_EQ(*parse_include_object("None"), IncludeObject::kNone);
  EXPECT_EQ(*parse_include_object("Object"), IncludeObject::kObject);
  EXPECT_EQ(parse_include_object("All").error().message,
            "includeObject \"All\": must be None, Metadata or Object");
}

}  // namespace
}  // namespace caracal::apimachinery
