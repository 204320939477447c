#include "kube/kubeconfig.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"
#include "kube/token_file.h"

namespace caracal::kube {
namespace {

using ::testing::HasSubstr;

constexpr const char* kPem = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
constexpr const char* kPemBase64 =
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFBPT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=";

Result<std::string> pem_reader(const std::string& path) {
  if (path.find("missing") != std::string::npos)
    return fail(Errc::kNotFound, "open " + path + ": no such file");
  return "# " + path + "\n" + kPem;
}

// A file with one cluster, one user and one context of the given fields (YAML flow mappings).
std::string config(const std::string& cluster, const std::string& user,
                   const std::string& context = "cluster: c, user: u") {
  return "apiVersion: v1\nkind: Config\ncurrent-context: x\n"
         "clusters: [{name: c, cluster: {" +
         cluster +
         "}}]\n"
         "users: [{name: u, user: {" +
         user +
         "}}]\n"
         "contexts: [{name: x, context: {" +
         context + "}}]\n";
}

ClusterAccess good(const std::string& text, std::string_view context = {}) {
  auto access = parse_kubeconfig(text, "/etc/k/config", context, pem_reader);
  EXPECT_TRUE(access.has_value()) << access.error().message;
  return access.value_or(ClusterAccess{});
}

TEST(KubeconfigTest, ServerAndItsCertificate) {
  EXPECT_EQ(good(config("server: 'https://h:6443/'", "")).server, "https://h:6443");
  EXPECT_EQ(good(config("server: 'http://h/prefix'", "")).server, "http://h/prefix");
  EXPECT_TRUE(good(config("server: 'https://h', insecure-skip-tls-verify: true", ""))
                  .insecure_skip_tls_verify);
  EXPECT_EQ(good(config("server: 'https://h', tls-server-name: kube", "")).tls_server_name, "kube");
  EXPECT_EQ(good(config("server: 'https://h', proxy-url: 'http://p:1'", "")).proxy_url,
            "http://p:1");
  const std::string data =
      std::string("server: 'https://h', certificate-authority-data: ") + kPemBase64;
  EXPECT_EQ(good(config(data, "")).ca_pem, kPem);
  // Data wins over the file, which is not even read.
  EXPECT_EQ(good(config(data + ", certificate-authority: missing.crt", "")).ca_pem, kPem);
  EXPECT_THAT(good(config("server: 'https://h', certificate-authority: pki/ca.crt", "")).ca_pem,
              HasSubstr("# /etc/k/pki/ca.crt"));
  EXPECT_THAT(good(config("server: 'https://h', certificate-authority: /pki/ca.crt", "")).ca_pem,
              HasSubstr("# /pki/ca.crt"));
}

TEST(KubeconfigTest, Users) {
  const std::string server = "server: 'https://h'";
  EXPECT_EQ(good(config(server, "token: abc")).token, "abc");
  EXPECT_EQ(good(config(server, "tokenFile: t")).token_file, "/etc/k/t");
  const ClusterAccess basic = good(config(server, "username: a, password: '007'"));
  EXPECT_EQ(basic.username, "a");
  EXPECT_EQ(basic.password, "007");
  const ClusterAccess certificate = good(config(
      server, std::string("client-certificate-data: ") + kPemBase64 + ", client-key: k.pem"));
  EXPECT_EQ(certificate.client_certificate_pem, kPem);
  EXPECT_THAT(certificate.client_key_pem, HasSubstr("# /etc/k/k.pem"));
  EXPECT_EQ(good(config(server, "", "cluster: c")).token, "");
}

TEST(KubeconfigTest, Contexts) {
  const std::string text = R"(
current-context: one
clusters:
- {name: c1, cluster: {server: "https://one"}}
- {name: c2, cluster: {server: "https://two"}}
users: [{name: u, user: {token: t}}]
contexts:
- {name: one, context: {cluster: c1, user: u}}
- {name: two, context: {cluster: c2, user: u, namespace: dev}}
)";
  EXPECT_EQ(good(text).server, "https://one");
  EXPECT_EQ(good(text).ns, "default");
  EXPECT_EQ(good(text, "two").server, "https://two");
  EXPECT_EQ(good(text, "two").ns, "dev");
  EXPECT_EQ(good(text, "two").origin, "kubeconfig /etc/k/config, context two");
}

TEST(KubeconfigTest, ErrorsNameFileFieldAndValue) {
  const std::string server = "server: 'https://h'";
  const struct {
    std::string text;
    std::string message;  // behind "kubeconfig /etc/k/config: "
  } kCases[] = {
      {"a: [", "line"},
      {"- 1", "must be an object with clusters, users and contexts"},
      {"kind: Pod", "kind: \"Pod\": must be Config"},
      {"clusters: 1", "clusters: 1: must be a list"},
      {"clusters: [1]", "clusters[0]: 1: must be an object"},
      {"users: [{user: {}}]", "users[0].name: required"},
      {"users: [{name: 1}]", "users[0].name: must be a string"},
      {"users: [{name: a, user: x}]", "users[0].user: \"x\": must be an object"},
      {"contexts: []", "current-context: not set, and no context was asked for"},
      {"current-context: 1", "current-context: 1: must be a string"},
      {"current-context: y\ncontexts: [{name: x}]",
       "current-context: \"y\": no such context; there are: \"x\""},
      {config(server, "", "user: u"), "contexts[0].context.cluster: required"},
      {config(server, "", "cluster: d"),
       "contexts[0].context.cluster: \"d\": no such cluster; there are: \"c\""},
      {config(server, "", "cluster: c, user: v"),
       "contexts[0].context.user: \"v\": no such user; there are: \"u\""},
      {config("", ""), "clusters[0].cluster.server: required"},
      {config("server: 5", ""), "clusters[0].cluster.server: 5: must be a string"},
      {config("server: 'h:6443'", ""),
       "clusters[0].cluster.server: \"h:6443\": must begin with https:// or http://"},
      {config("server: 'https://'", ""), "clusters[0].cluster.server: \"https:\": has no host"},
      {config(server + ", insecure-skip-tls-verify: 'true'", ""),
       "clusters[0].cluster.insecure-skip-tls-verify: \"true\": must be true or false"},
      {config(server + ", insecure-skip-tls-verify: true, certificate-authority: a", ""),
       "clusters[0].cluster.insecure-skip-tls-verify: true: cannot stand beside a "
       "certificate-authority"},
      {config(server + ", certificate-authority: missing", ""),
       "clusters[0].cluster.certificate-authority: open /etc/k/missing: no such file"},
      {config(server + ", certificate-authority-data: '!!!'", ""),
       "clusters[0].cluster.certificate-authority-data: is not valid base64"},
      {config(server + ", certificate-authority-data: 'A=AA'", ""),
       "clusters[0].cluster.certificate-authority-data: is not valid base64"},
      {config(server + ", certificate-authority-data: 'QUJD'", ""),
       "clusters[0].cluster.certificate-authority-data: holds no PEM block (-----BEGIN ...)"},
      {config(server, "client-certificate: c.pem"),
       "users[0].user.client-key: required beside client-certificate"},
      {config(server, "client-key: c.pem"),
       "users[0].user.client-certificate: required beside client-key"},
      {config(server, "exec: {command: aws}"),
       "users[0].user.exec: credential plugins are not supported"},
      {config(server, "auth-provider: {name: oidc}"),
       "users[0].user.auth-provider: credential plugins"},
      {config(server, "token: [1]"), "users[0].user.token: [1]: must be a string"},
  };
  for (const auto& c : kCases) {
    const auto access = parse_kubeconfig(c.text, "/etc/k/config", {}, pem_reader);
    ASSERT_FALSE(access.has_value()) << c.text;
    EXPECT_THAT(access.error().message, HasSubstr("kubeconfig /etc/k/config: "));
    EXPECT_THAT(access.error().message, HasSubstr(c.message));
  }
  const auto unknown = parse_kubeconfig(config(server, ""), "/etc/k/config", "z", pem_reader);
  EXPECT_EQ(unknown.error().message,
            "kubeconfig /etc/k/config: context \"z\": no such context; there are: \"x\"");
}

// A folder of its own, and an environment that is put back.
class KubeconfigFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "caracal-kubeconfig-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    for (const char* name :
         {"KUBECONFIG", "HOME", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"}) {
      const char* value = ::getenv(name);
      before_.emplace_back(name,
                           value == nullptr ? std::nullopt : std::optional<std::string>(value));
      ::unsetenv(name);
    }
    ::setenv("HOME", folder_.c_str(), 1);
  }
  void TearDown() override {
    for (const auto& [name, value] : before_) {
      if (value) {
        ::setenv(name.c_str(), value->c_str(), 1);
      } else {
        ::unsetenv(name.c_str());
      }
    }
    std::filesystem::remove_all(folder_);
  }
  std::string write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = std::filesystem::path(folder_) / name;
    std::filesystem::create_directories(path.parent_path());
    EXPECT_TRUE(write_file_atomic(path.string(), text).has_value());
    return path.string();
  }

  std::string folder_;
  std::vector<std::pair<std::string, std::optional<std::string>>> before_;
};

TEST_F(KubeconfigFilesTest, SeveralFilesAreMergedAndTheFirstWins) {
  const std::string first = write("a/one",
                                  "clusters: [{name: c, cluster: {server: 'https://first', "
                                  "certificate-authority: ca.crt}}]\n");
  write("a/ca.crt", kPem);
  const std::string second = write("two", config("server: 'https://second'", "token: t"));
  const auto merged = load_kubeconfig({folder_ + "/none", first, "", second});
  ASSERT_TRUE(merged.has_value()) << merged.error().message;
  EXPECT_EQ(merged->server, "https://first");
  EXPECT_EQ(merged->ca_pem, kPem);
  EXPECT_EQ(merged->token, "t");

  const auto none = load_kubeconfig({folder_ + "/none"});
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().code, Errc::kNotFound);
  EXPECT_THAT(none.error().message, HasSubstr("/none"));
}

TEST_F(KubeconfigFilesTest, TheUsualOrderOfPlaces) {
  const auto nothing = find_access();
  ASSERT_FALSE(nothing.has_value());
  EXPECT_EQ(nothing.error().code, Errc::kNotFound);
  EXPECT_THAT(nothing.error().message, HasSubstr("--kubeconfig"));
  EXPECT_EQ(find_access({.server = "https://only"})->server, "https://only");

  write(".kube/config", config("server: 'https://home'", ""));
  EXPECT_EQ(find_access()->server, "https://home");
  const std::string from_environment = write("env", config("server: 'https://env'", ""));
  ::setenv("KUBECONFIG", (folder_ + "/none:" + from_environment).c_str(), 1);
  EXPECT_EQ(find_access()->server, "https://env");
  const std::string given = write("given", config("server: 'https://given'", ""));
  EXPECT_EQ(find_access({.kubeconfig = given})->server, "https://given");
  EXPECT_EQ(find_access({.kubeconfig = given, .server = "https://other"})->server, "https://other");
}

TEST_F(KubeconfigFilesTest, InAPod) {
  EXPECT_EQ(in_cluster_access(folder_).error().code, Errc::kNotFound);
  ::setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
  ::setenv("KUBERNETES_SERVICE_PORT", "443", 1);
  EXPECT_THAT(in_cluster_access(folder_).error().message, HasSubstr("service account token"));
  write("token", "abc\n");
  EXPECT_THAT(in_cluster_access(folder_).error().message, HasSubstr("certificate authority"));
  write("ca.crt", kPem);
  write("namespace", "kube-system");
  const auto access = in_cluster_access(folder_);
  ASSERT_TRUE(access.has_value());
  EXPECT_EQ(access->server, "https://[fd00::1]:443");
  EXPECT_EQ(access->token_file, folder_ + "/token");
  EXPECT_EQ(access->ca_pem, kPem);
  EXPECT_EQ(access->ns, "kube-system");
  ::setenv("KUBERNETES_SERVICE_PORT", "https", 1);
  EXPECT_EQ(in_cluster_access(folder_).error().message,
            "KUBERNETES_SERVICE_PORT: \"https\": must be a port number");
}

TEST_F(KubeconfigFilesTest, ATokenFileIsReadAgainWhenItChanges) {
  TokenFile none("", "");
  EXPECT_EQ(*none.current(), "");
  TokenFile fixed("", "abc");
  EXPECT_EQ(*fixed.current(), "abc");

  TokenFile file(folder_ + "/token", "");
  EXPECT_EQ(file.current().error().code, Errc::kNotFound);
  write("token", "first\n");
  EXPECT_EQ(*file.current(), "first");
  write("token", "second");
  EXPECT_EQ(*file.current(), "second");
  // Gone or emptied: the last one goes on.
  write("token", "");
  EXPECT_EQ(*file.current(), "second");
  std::filesystem::remove(folder_ + "/token");
  EXPECT_EQ(*file.current(), "second");
  write("token", "third");
  EXPECT_EQ(*file.current(), "third");

  write("bad", "two\nlines");
  TokenFile bad(folder_ + "/bad", "");
  EXPECT_THAT(bad.current().error().message, HasSubstr("one word of printable ASCII"));
}

}  // namespace
}  // namespace caracal::kube
