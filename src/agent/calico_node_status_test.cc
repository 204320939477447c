// CalicoNodeStatus against a real API server in this process.
#include "agent/calico_node_status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/rtnetlink.h>

#include "apiserver/testing/api_fixture.h"

namespace caracal::agent {
namespace {

using ::testing::HasSubstr;

constexpr const char* kShown = "/apis/projectcalico.org/v3/caliconodestatuses";
constexpr const char* kStored = "/apis/crd.projectcalico.org/v1/caliconodestatuses";

constexpr const char* kBgp = R"({state: running, configured: true, version: 2.0.12,
  routerId: 10.0.0.1, booted: '2026-11-23 06:00:00.000', reconfigured: '2026-11-23 06:01:00.000',
  peers: [
    {name: Mesh_10_0_0_2, address: 10.0.0.2, kind: node-to-node mesh, family: IPv4,
     state: Established, up: true, since: '06:02'},
    {name: Global_10_0_0_3, address: 10.0.0.3, kind: global, family: IPv4, state: Active,
     up: false, since: '06:03'},
    {name: Node_fd00__3, address: 'fd00::3', kind: node specific, family: IPv6,
     state: Established, up: true, since: '06:04'}]})";

class CalicoNodeStatusTest : public apiserver::testing::ApiFixture {
 protected:
  CalicoNodeStatusTest() : ApiFixture(false) {}

  static json::value asking(const std::string& name, const std::string& spec) {
    return yaml("{metadata: {name: " + name + "}, spec: {" + spec + "}}");
  }
  // With `lax`, any spec is taken.
  void serve_in(const std::string& group, bool lax = false) {
    serve("caliconodestatuses." + group, [lax](json::value& crd) {
      if (!lax) return;
      jsonio::ensure(crd.at("spec").at("versions").at(0), {"schema", "openAPIV3Schema"}) =
          yaml("{type: object, x-kubernetes-preserve-unknown-fields: true}");
    });
  }
  json::value status_of(const char* collection, const std::string& name) {
    const json::value object = get(std::string(collection) + "/" + name);
    const json::value* status = jsonio::get(object, {"status"});
    return status == nullptr ? json::value() : *status;
  }
  bool until_told(const char* collection, const std::string& name) {
    return until_server(
        [&] { return !jsonio::get_string(status_of(collection, name), {"lastUpdated"}).empty(); });
  }

  json::object bgp_ = yaml(kBgp).as_object();
  bgp::Reply bird_{{{1007, "10.244.1.0/26 unicast [Mesh_10_0_0_2 06:44] * (100) [i]"},
                    {1007, "\tvia 10.0.0.2 on eth0"},
                    {1007, "fd00:1::/122 unicast [Node_fd00__3 06:44] * (100) [i]"},
                    {1007, "\tvia fd00::3 on eth0"},
                    {0, ""}}};
  int answers_ = 0;
  int bird_asked_ = 0;
  CalicoNodeStatus status_{
      client_,
      {.node = "node1",
       .second = event::Duration(10),
       .backoff = {.first = event::Duration(5), .longest = event::Duration(50)}},
      {.bgp =
           [this](const std::function<void(json::object)>& done) {
             ++answers_;
             loop_.post([this, done] { done(bgp_); });
           },
       .kernel_routes = []() -> Result<std::vector<KernelNodeRoute>> {
         return std::vector<KernelNodeRoute>{
             {{*net::Cidr::parse("10.244.1.0/26"), "10.0.0.2", "eth0"}, RTPROT_BIRD}};
       },
       .bird_routes =
           [this](const std::function<void(Result<bgp::Reply>)>& done) {
             ++bird_asked_;
             loop_.post([this, done] { done(bird_); });
           }}};
};

TEST_F(CalicoNodeStatusTest, ASpecThatIsWrongSaysWhere) {
  const auto read = [](const std::string& spec) {
    return read_node_status_spec(asking("x", spec), "node1");
  };
  EXPECT_EQ(*read("node: node2, classes: [What]"), std::nullopt);
  EXPECT_EQ(*read("classes: [What]"), std::nullopt);
  EXPECT_EQ(*read("node: node1, classes: [Agent, Routes], updatePeriodSeconds: 0"),
            (NodeStatusSpec{true, false, true, 0}));
  EXPECT_EQ(*read("node: node1, classes: [BGP], updatePeriodSeconds: 86400"),
            (NodeStatusSpec{false, true, false, 86400}));
  EXPECT_EQ((*read("node: node1"))->period_seconds, 10U);
  const auto bad = read("node: node1, classes: [BGP, Bgp, 3], updatePeriodSeconds: 86401");
  ASSERT_FALSE(bad);
  EXPECT_THAT(bad.error().message,
              HasSubstr("spec.classes[1]: \"Bgp\": must be one of \"Agent\", \"BGP\", \"Routes\""));
  EXPECT_THAT(bad.error().message, HasSubstr("spec.classes[2]"));
  EXPECT_THAT(bad.error().message, HasSubstr("spec.updatePeriodSeconds: 86401: must be a whole "
                                             "number between 0 and 86400"));
}

TEST_F(CalicoNodeStatusTest, FillsWhatIsAskedFor) {
  status_.start();
  // The kind comes later than the agent.
  serve_in("projectcalico.org");
  create(kShown, asking("other", "node: node2, classes: [BGP]"));
  create(kShown,
         asking("all", "node: node1, classes: [Agent, BGP, Routes], updatePeriodSeconds: 0"));
  ASSERT_TRUE(until_told(kShown, "all"));
  json::value told = status_of(kShown, "all");
  EXPECT_THAT(std::string(jsonio::get_string(told, {"lastUpdated"})),
              ::testing::MatchesRegex("....-..-..T..:..:..Z"));
  told.as_object().erase("lastUpdated");
  const json::value bird = yaml(
      "{state: Ready, version: 2.0.12, routerID: 10.0.0.1, lastBootTime: '2026-11-23 "
      "06:00:00.000', lastReconfigurationTime: '2026-11-23 06:01:00.000'}");
  json::value expected = yaml(R"({
    bgp: {numberEstablishedV4: 1, numberNotEstablishedV4: 1, numberEstablishedV6: 1,
      numberNotEstablishedV6: 0,
      peersV4: [{peerIP: 10.0.0.2, type: NodeMesh, state: Established, since: '06:02'},
                {peerIP: 10.0.0.3, type: GlobalPeer, state: Active, since: '06:03'}],
      peersV6: [{peerIP: 'fd00::3', type: NodePeer, state: Established, since: '06:04'}]},
    routes: {
      routesV4: [{type: FIB, destination: 10.244.1.0/26, gateway: 10.0.0.2, interface: eth0,
                  learnedFrom: {sourceType: NodeMesh, peerIP: 10.0.0.2}}],
      routesV6: [{type: RIB, destination: 'fd00:1::/122', gateway: 'fd00::3', interface: eth0,
                  learnedFrom: {sourceType: BGPPeer, peerIP: 'fd00::3'}}]}})");
  expected.as_object()["agent"] = json::object{{"birdV4", bird}, {"birdV6", bird}};
  EXPECT_EQ(told, expected) << jsonio::to_pretty_string(told);
  EXPECT_EQ(answers_, 1);  // once, though the own answer came back by the watch
  EXPECT_EQ(status_of(kShown, "other"), json::value());

  // Another spec: what is asked no more goes. BIRD does not run.
  bgp_ = yaml("{state: not-needed}").as_object();
  merge(std::string(kShown) + "/all", yaml("{spec: {classes: [Agent, Routes]}}"));
  ASSERT_TRUE(
      until_server([&] { return jsonio::get(status_of(kShown, "all"), {"bgp"}) == nullptr; }));
  told = status_of(kShown, "all");
  EXPECT_EQ(*jsonio::get(told, {"agent", "birdV6"}), yaml("{state: NotReady}"));
  EXPECT_EQ(jsonio::get_string(jsonio::get_array(told, {"routes", "routesV4"}).at(0),
                               {"learnedFrom", "sourceType"}),
            "Kernel");
  EXPECT_EQ(bird_asked_, 1);
  EXPECT_EQ(answers_, 2);
}

TEST_F(CalicoNodeStatusTest, AnswersAgainAtThePeriodUntilItGoes) {
  serve_in("crd.projectcalico.org");
  status_.start();
  create(kStored, asking("a", "node: node1, classes: [BGP], updatePeriodSeconds: 1"));
  ASSERT_TRUE(until([&] { return answers_ >= 3; }));
  bgp_["peers"] = json::array();
  ASSERT_TRUE(until_server([&] {
    return jsonio::get_int(status_of(kStored, "a"), {"bgp", "numberEstablishedV4"}, -1) == 0;
  }));
  EXPECT_EQ(jsonio::get(status_of(kStored, "a"), {"agent"}), nullptr);
  remove(std::string(kStored) + "/a");
  ASSERT_TRUE(until([&] { return status_.answered() == 0; }));
}

TEST_F(CalicoNodeStatusTest, BothGroupsAndObjectsThatAreWrong) {
  serve_in("projectcalico.org", true);
  serve_in("crd.projectcalico.org", true);
  create(kShown, asking("bad", "node: node1, classes: [Everything], updatePeriodSeconds: 0"));
  create(kShown, asking("same", "node: node1, classes: [Agent], updatePeriodSeconds: 0"));
  create(kStored, asking("same", "node: node1, classes: [BGP], updatePeriodSeconds: 0"));
  create(kStored, asking("stored", "node: node1, classes: [Agent], updatePeriodSeconds: 0"));
  status_.start();
  ASSERT_TRUE(until_told(kShown, "same"));
  ASSERT_TRUE(until_told(kStored, "stored"));
  EXPECT_EQ(status_.answered(), 2U);
  EXPECT_EQ(status_of(kShown, "bad"), json::value());
  EXPECT_NE(jsonio::get(status_of(kShown, "same"), {"agent"}), nullptr);

  // Put right, it is answered; gone where it is shown, the stored one counts.
  merge(std::string(kShown) + "/bad", yaml("{spec: {classes: [Agent]}}"));
  ASSERT_TRUE(until_told(kShown, "bad"));
  remove(std::string(kShown) + "/same");
  ASSERT_TRUE(until_server([&] {
    return jsonio::get(status_of(kStored, "same"), {"bgp", "numberEstablishedV4"}) != nullptr;
  }));
}

}  // namespace
}  // namespace caracal::agent
