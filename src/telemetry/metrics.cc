#include "telemetry/metrics.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strings.h"

namespace caracal::telemetry {

const std::vector<double>& Histogram::bounds() {
  static const std::vector<double> kBounds = {0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025,
                                              0.005,   0.01,   0.025,   0.05,   0.1,   0.25,
                                              0.5,     1,      2.5,     5,      10};
  return kBounds;
}

Histogram::Histogram() : counts_(bounds().size() + 1) {}

void Histogram::observe(std::chrono::nanoseconds duration) {
  const double seconds = std::chrono::duration<double>(duration).count();
  size_t slot = 0;
  while (slot < bounds().size() && seconds > bounds()[slot]) ++slot;
  counts_[slot].fetch_add(1, std::memory_order_relaxed);
  sum_nanoseconds_.fetch_add(static_cast<uint64_t>(duration.count()), std::memory_order_relaxed);
}

Histogram::Snapshot Histogram::snapshot() const {
  Snapshot out;
  for (const auto& count : counts_) out.counts.push_back(count.load(std::memory_order_relaxed));
  out.sum = static_cast<double>(sum_nanoseconds_.load(std::memory_order_relaxed)) / 1e9;
  return out;
}

Metrics::Family& Metrics::family(const std::string& name, const char* type,
                                 const std::string& help) {
  Family& family = families_[name];
  family.type = type;
  family.help = help;
  return family;
}

Counter& Metrics::counter(const std::string& name, const std::string& help,
                          const std::string& labels) {
  const std::lock_guard lock(mutex_);
  Counter*& slot = family(name, "counter", help).counters[labels];
  if (slot == nullptr) slot = &counters_.emplace_back();
  return *slot;
}

Gauge& Metrics::gauge(const std::string& name, const std::string& help, const std::string& labels) {
  const std::lock_guard lock(mutex_);
  Gauge*& slot = family(name, "gauge", help).gauges[labels];
  if (slot == nullptr) slot = &gauges_.emplace_back();
  return *slot;
}

Histogram& Metrics::histogram(const std::string& name, const std::string& help,
                              const std::string& labels) {
  const std::lock_guard lock(mutex_);
  Histogram*& slot = family(name, "histogram", help).histograms[labels];
  if (slot == nullptr) slot = &histograms_.emplace_back();
  return *slot;
}

std::string Metrics::render() const {
  const std::lock_guard lock(mutex_);
  std::string out;
  const auto line = [&out](const std::string& name, const std::string& labels,
                           const std::string& value) {
    out += labels.empty() ? fmt::format("{} {}\n", name, value)
                          : fmt::format("{}{{{}}} {}\n", name, labels, value);
  };
  for (const auto& [name, family] : families_) {
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, family.help, name, family.type);
    for (const auto& [labels, counter] : family.counters) {
      line(name, labels, std::to_string(counter->value()));
    }
    for (const auto& [labels, gauge] : family.gauges) {
      line(name, labels, fmt::format("{}", gauge->value()));
    }
    for (const auto& [labels, histogram] : family.histograms) {
      const Histogram::Snapshot now = histogram->snapshot();
      const std::string prefix = labels.empty() ? "" : labels + ",";
      uint64_t total = 0;
      for (size_t i = 0; i < now.counts.size(); ++i) {
        total += now.counts[i];
        const bool last = i == Histogram::bounds().size();
        line(name + "_bucket",
             prefix + (last ? "le=\"+Inf\"" : fmt::format("le=\"{}\"", Histogram::bounds()[i])),
             std::to_string(total));
      }
      line(name + "_sum", labels, fmt::format("{}", now.sum));
      line(name + "_count", labels, std::to_string(total));
    }
  }
  return out;
}

uint64_t resident_bytes() {
  const auto statm = read_file("/proc/self/statm");
  if (!statm) return 0;
  const auto fields = split(*statm, ' ');
  const auto pages = fields.size() > 1 ? parse_decimal(fields[1]) : std::nullopt;
  return pages.value_or(0) * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace caracal::telemetry
