// Metrics: counters, gauges and histograms of a program, rendered in Prometheus' text format 0.0.4.
//
// Made once at the start by whoever counts; the references stay valid as long as the registry.
// Adding to a value is lock-free and may happen on any thread; render() is called by the HTTP
// endpoint.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace caracal::telemetry {

class Counter {
 public:
  void add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

// Of durations, in seconds, with bounds from 50 us to 10 s.
class Histogram {
 public:
  Histogram();
  void observe(std::chrono::nanoseconds duration);
  struct Snapshot {
    std::vector<uint64_t> counts;  // one a bound, then those above the last; not cumulative
    double sum = 0;
  };
  Snapshot snapshot() const;
  static const std::vector<double>& bounds();

 private:
  std::vector<std::atomic<uint64_t>> counts_;
  std::atomic<uint64_t> sum_nanoseconds_{0};
};

class Metrics {
 public:
  // `labels` as in the text format without braces: `command="ADD"`; may be empty. The same name and
  // labels give the same object.
  Counter& counter(const std::string& name, const std::string& help,
                   const std::string& labels = {});
  Gauge& gauge(const std::string& name, const std::string& help, const std::string& labels = {});
  Histogram& histogram(const std::string& name, const std::string& help,
                       const std::string& labels = {});
  std::string render() const;

 private:
  struct Family {
    std::string type;
    std::string help;
    std::map<std::string, Counter*> counters;  // by labels
    std::map<std::string, Gauge*> gauges;
    std::map<std::string, Histogram*> histograms;
  };
  Family& family(const std::string& name, const char* type, const std::string& help);

  mutable std::mutex mutex_;  // of the shape, not of the values
  std::map<std::string, Family> families_;
  std::deque<Counter> counters_;
  std::deque<Gauge> gauges_;
  std::deque<Histogram> histograms_;
};

// Resident memory of this process in bytes; 0 when /proc does not say.
uint64_t resident_bytes();

}  // namespace caracal::telemetry
