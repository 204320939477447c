#include "telemetry/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "base/fd.h"
#include "net/socket_address.h"
#include "telemetry/http_endpoint.h"

namespace caracal::telemetry {
namespace {

using ::testing::HasSubstr;

TEST(Metrics, RendersPrometheusText) {
  Metrics metrics;
  metrics.counter("c_total", "a counter", "k=\"v\"").add(3);
  EXPECT_EQ(&metrics.counter("c_total", "a counter", "k=\"v\""),
            &metrics.counter("c_total", "a counter", "k=\"v\""));
  metrics.gauge("g", "a gauge").set(1.5);
  Histogram& histogram = metrics.histogram("h_seconds", "times");
  histogram.observe(std::chrono::microseconds(40));
  histogram.observe(std::chrono::milliseconds(3));
  histogram.observe(std::chrono::seconds(60));
  const std::string text = metrics.render();
  EXPECT_THAT(text, HasSubstr("# TYPE c_total counter\nc_total{k=\"v\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("# HELP g a gauge\n# TYPE g gauge\ng 1.5\n"));
  EXPECT_THAT(text, HasSubstr("h_seconds_bucket{le=\"5e-05\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("h_seconds_bucket{le=\"0.005\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("h_seconds_bucket{le=\"+Inf\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("h_seconds_count 3\n"));
}

std::string get(uint16_t port, const std::string& path) {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const net::SocketAddress address(net::IpAddr::v4(INADDR_LOOPBACK), port);
  if (::connect(fd.get(), address.get(), address.size()) != 0) return "no connection";
  const std::string request = "GET " + path + " HTTP/1.0\r\n\r\n";
  if (::write(fd.get(), request.data(), request.size()) < 0) return "no request";
  std::string answer;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::read(fd.get(), buffer, sizeof buffer)) > 0;)
    answer.append(buffer, static_cast<size_t>(n));
  return answer;
}

HttpEndpoint::Sources sources() {
  return {.metrics = [] { return std::string("m 1\n"); },
          .health =
              [] {
                return Probe{true, "ok"};
              },
          .ready =
              [] {
                return Probe{false, "not yet"};
              }};
}

TEST(HttpEndpoint, ServesMetricsAndProbes) {
  event::Loop loop;
  const auto http = HttpEndpoint::start(loop, "127.0.0.1:0", sources());
  ASSERT_TRUE(http) << http.error().message;
  const uint16_t port = (*http)->port();
  std::thread client([&] {
    EXPECT_THAT(get(port, "/metrics"), HasSubstr("m 1\n"));
    EXPECT_THAT(get(port, "/healthz"), HasSubstr("200 OK"));
    EXPECT_THAT(get(port, "/readyz"), HasSubstr("503"));
    EXPECT_THAT(get(port, "/readyz"), HasSubstr("not yet"));
    EXPECT_THAT(get(port, "/other"), HasSubstr("404"));
    EXPECT_EQ(get(port, "/" + std::string(20'000, 'x')), "") << "too long: the connection ends";
    loop.stop();
  });
  loop.run();
  client.join();
  const auto second = HttpEndpoint::start(loop, "127.0.0.1:" + std::to_string(port), {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::kUnavailable);
}

TEST(HttpEndpoint, AnswersAsHttpSays) {
  const HttpAnswer kept = answer_http("GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\n\r\n", sources());
  EXPECT_FALSE(kept.close);
  EXPECT_THAT(kept.bytes, HasSubstr("Content-Length: 4\r\n"));
  EXPECT_THAT(kept.bytes, ::testing::EndsWith("\r\n\r\nm 1\n"));
  const HttpAnswer head = answer_http("HEAD /metrics HTTP/1.1\r\n\r\n", sources());
  EXPECT_THAT(head.bytes, HasSubstr("Content-Length: 4\r\n"));
  EXPECT_THAT(head.bytes, ::testing::EndsWith("\r\n\r\n"));
  EXPECT_TRUE(answer_http("GET / HTTP/1.1\r\nconnection: Close\r\n\r\n", sources()).close);
  EXPECT_TRUE(answer_http("GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", sources()).close);
  const HttpAnswer post = answer_http("POST /metrics HTTP/1.1\r\n\r\n", sources());
  EXPECT_THAT(post.bytes, ::testing::StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(post.bytes, HasSubstr("Allow: GET, HEAD\r\n"));
  for (const char* text :
       {"", "\r\n\r\n", "GET\r\n\r\n", "GET /\r\n\r\n", "\x16\x03\x01 a b\r\n\r\n"})
    EXPECT_THAT(answer_http(text, sources()).bytes, ::testing::StartsWith("HTTP/1.1 400 ")) << text;
}

TEST(HttpEndpoint, NamesABadAddress) {
  event::Loop loop;
  for (const char* text : {"", "9091", "localhost:9091", "127.0.0.1:99999", "127.0.0.1:"}) {
    const auto http = HttpEndpoint::start(loop, text, {});
    ASSERT_FALSE(http) << text;
    EXPECT_EQ(http.error().code, Errc::kInvalid);
    EXPECT_THAT(http.error().message, HasSubstr("ADDRESS:PORT"));
  }
}

}  // namespace
}  // namespace caracal::telemetry
