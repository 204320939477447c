// The picture as SVG. From top to bottom: the host and the outside client on their segment,
// segments without nodes as bars, routers, and the segments with nodes as panels that hold them;
// underneath, arcs from node to node for what travels between them.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "base/xml.h"
#include "lab/picture.h"

namespace caracal::lab {
namespace {

constexpr double kBox = 262, kWideBox = 344;  // the wide one where there are IPv6 blocks
constexpr double kGap = 18, kPad = 18, kMargin = 28;
constexpr double kLine = 15, kRouterWidth = 170, kTopWidth = 250, kBar = 30;
constexpr double kLetter = 6.65;      // of the small fixed-width text
constexpr size_t kNodesWithArcs = 8;  // more, and the arcs would hide the picture
constexpr double kWidest = 2400, kTitle = 48;

struct PathKind {
  std::string_view name, color, meaning;
};
constexpr std::array<PathKind, 5> kPaths = {{
    {"direct", "#5b7083", "same subnet"},
    {"router", "#2f8f5b", "by the routers"},
    {"vxlan", "#d9822b", "VXLAN"},
    {"ipip", "#7d5bbe", "IPIP"},
    {"wireguard", "#c23b4f", "WireGuard"},
}};

std::string_view color_of(std::string_view path) {
  for (const PathKind& kind : kPaths) {
    if (kind.name == path) return kind.color;
  }
  return "#5b7083";
}

// Bytes are letters here: addresses and names are ASCII.
std::string cut(std::string text, size_t letters) {
  if (text.size() <= letters) return text;
  return text.substr(0, letters - 1) + "…";
}

struct Line {
  std::string text;
  std::string color = "#33404d";
  bool bold = false;
};

struct Box {
  double x = 0, y = 0, width = 0, height = 0;
  double center() const { return x + width / 2; }
  double bottom() const { return y + height; }
};

std::vector<Line> lines_of(const PictureNode& node) {
  std::vector<Line> out;
  const auto several = [&out](const std::vector<std::string>& values, const char* label,
                              size_t shown) {
    for (size_t i = 0; i < values.size() && i < shown; ++i)
      out.push_back({fmt::format("{:<7}{}", i == 0 ? label : "", values[i])});
    if (values.size() > shown)
      out.push_back({fmt::format("{:<7}and {} more", "", values.size() - shown)});
  };
  for (const std::string& address : node.addresses) out.push_back({address, "#33404d", false});
  if (node.mtu != 1500) out.push_back({fmt::format("{:<7}{}", "mtu", node.mtu)});
  several(node.blocks, "block", 3);
  several(node.pods, "pod", 4);
  for (const PictureTunnel& tunnel : node.tunnels) {
    out.push_back({fmt::format("{:<7}{} {}", "tunnel", tunnel.device,
                               tunnel.addresses.empty() ? "" : tunnel.addresses.front()),
                   std::string(color_of(tunnel.kind))});
  }
  constexpr size_t kRoutes = 6;
  for (size_t i = 0; i < node.routes.size(); ++i) {
    if (i == kRoutes) {
      out.push_back({fmt::format("{:<7}and {} more", "", node.routes.size() - i)});
      break;
    }
    const PictureRoute& route = node.routes[i];
    out.push_back(
        {fmt::format("{:<7}{} > {}", i == 0 ? "route" : "", route.to.to_string(), route.owner),
         std::string(color_of(route.path))});
  }
  constexpr size_t kSessions = 6;
  for (size_t i = 0; i < node.sessions.size(); ++i) {
    if (i == kSessions) {
      out.push_back({fmt::format("{:<7}and {} more", "", node.sessions.size() - i)});
      break;
    }
    const PictureSession& one = node.sessions[i];
    // Up: since when; the time of the day is enough in a picture.
    const std::string since = one.since.size() > 11 ? " since " + one.since.substr(11) : "";
    out.push_back({fmt::format("{:<7}{} {}{}", i == 0 ? "bgp" : "", one.to,
                               one.established ? "up" : one.state, since),
                   one.established ? "#2f8f5b" : "#c8322f"});
  }
  return out;
}

class Drawing {
 public:
  explicit Drawing(const Picture& picture) : p_(picture) {
    for (const PictureNode& node : picture.nodes) {
      for (const std::string& block : node.blocks) {
        if (block.find(':') != std::string::npos) box_ = kWideBox;
      }
    }
  }

  std::string draw() {
    place_panels();
    place_routers();
    draw_cables();
    for (size_t s = 0; s < p_.segments.size(); ++s) draw_segment(s);
    draw_arcs();
    draw_sessions();
    draw_top();
    for (const PictureRouter& router : p_.routers) draw_router(router);
    for (const PictureNode& node : p_.nodes) draw_node(node);
    draw_legend();
    return fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
        "viewBox=\"0 0 {0:.0f} {1:.0f}\" font-family=\"DejaVu Sans, Verdana, sans-serif\">\n"
        "<rect width=\"100%\" height=\"100%\" fill=\"#f7f8fa\"/>\n"
        "<text x=\"{2}\" y=\"34\" font-size=\"19\" font-weight=\"bold\" fill=\"#1d2733\">lab "
        "{3}</text>\n"
        "{4}</svg>\n",
        width_, height_, kMargin, xml_escape(p_.name), out_);
  }

 private:
  struct Panel {
    Box box;
    std::vector<const PictureNode*> nodes;
    bool bar = false;  // no nodes: a bar over the whole width
  };

  bool flat() const { return p_.routers.empty(); }
  static size_t letters(double width) { return static_cast<size_t>((width - 24) / kLetter); }

  void place_panels() {
    panels_.resize(p_.segments.size());
    for (const PictureNode& node : p_.nodes) {
      for (size_t s = 0; s < p_.segments.size(); ++s) {
        if (p_.segments[s].name == node.segment) panels_[s].nodes.push_back(&node);
      }
    }
    const double top = 60;
    double y = top + 62 + 34;  // below the host and the outside client
    for (Panel& panel : panels_) {
      panel.bar = panel.nodes.empty();
      if (!panel.bar) continue;
      panel.box = {kMargin, y, 0, kBar};
      y += kBar + 34;
    }
    routers_y_ = y + 8;
    if (!flat()) y = routers_y_ + 64 + 62;
    // Panels side by side, in rows no wider than the picture may be.
    double x = kMargin, row = 0;
    for (Panel& panel : panels_) {
      if (panel.bar) continue;
      const size_t count = panel.nodes.size();
      const bool one_row = p_.nodes.size() <= kNodesWithArcs;
      const auto columns =
          one_row ? count
                  : std::clamp<size_t>(
                        static_cast<size_t>(std::ceil(std::sqrt(static_cast<double>(count) * 1.4))),
                        1, 6);
      panel.box.width = static_cast<double>(columns) * (box_ + kGap) - kGap + 2 * kPad;
      if (x > kMargin && x + panel.box.width > kWidest) {
        x = kMargin;
        y += row + 30;
        row = 0;
      }
      panel.box.x = x;
      panel.box.y = y;
      double at = y + kTitle;
      for (size_t first = 0; first < count; first += columns) {
        double tallest = 0;
        for (size_t i = first; i < std::min(count, first + columns); ++i) {
          Box box{x + kPad + static_cast<double>(i - first) * (box_ + kGap), at, box_,
                  40 + kLine * static_cast<double>(lines_of(*panel.nodes[i]).size())};
          tallest = std::max(tallest, box.height);
          boxes_[panel.nodes[i]->name] = box;
        }
        for (size_t i = first; i < std::min(count, first + columns); ++i)
          boxes_[panel.nodes[i]->name].height = tallest;
        at += tallest + kGap;
      }
      panel.box.height = at - y - kGap + kPad;
      row = std::max(row, panel.box.height);
      x += panel.box.width + 30;
      width_ = std::max(width_, x - 30 + kMargin);
    }
    bottom_ = y + row;
    width_ = std::max({width_, 2 * kMargin + 2 * kTopWidth + 60,
                       2 * kMargin + static_cast<double>(p_.routers.size()) * (kRouterWidth + 30)});
    for (Panel& panel : panels_) {
      if (panel.bar) panel.box.width = width_ - 2 * kMargin;
    }
  }

  void place_routers() {
    std::vector<std::pair<double, const PictureRouter*>> wanted;
    for (const PictureRouter& router : p_.routers) {
      double sum = 0;
      int count = 0;
      for (const PictureLeg& leg : router.legs) {
        const Panel& panel = panels_[segment(leg.segment)];
        if (panel.bar) continue;
        sum += panel.box.center();
        ++count;
      }
      wanted.emplace_back(count == 0 ? width_ / 2 : sum / count, &router);
    }
    std::stable_sort(wanted.begin(), wanted.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    double free = kMargin;
    for (const auto& [center, router] : wanted) {
      const double x = std::max(free, center - kRouterWidth / 2);
      boxes_[router->name] = {x, routers_y_, kRouterWidth, 64};
      free = x + kRouterWidth + 24;
      width_ = std::max(width_, free + kMargin);
    }
  }

  size_t segment(const std::string& name) const {
    for (size_t s = 0; s < p_.segments.size(); ++s) {
      if (p_.segments[s].name == name) return s;
    }
    return 0;
  }

  void line(double x1, double y1, double x2, double y2, std::string_view style) {
    out_ += fmt::format("<path d=\"M{:.0f} {:.0f}L{:.0f} {:.0f}\" fill=\"none\" {}/>\n", x1, y1, x2,
                        y2, style);
  }
  void text(double x, double y, std::string_view what, double size, std::string_view color,
            std::string_view more = "") {
    out_ +=
        fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\" font-size=\"{}\" fill=\"{}\" {}>{}</text>\n",
                    x, y, size, color, more, xml_escape(what));
  }
  void rectangle(const Box& box, std::string_view fill, std::string_view stroke, double radius,
                 double stroke_width = 1.2) {
    out_ += fmt::format(
        "<rect x=\"{:.0f}\" y=\"{:.0f}\" width=\"{:.0f}\" height=\"{:.0f}\" rx=\"{}\" fill=\"{}\" "
        "stroke=\"{}\" stroke-width=\"{}\"/>\n",
        box.x, box.y, box.width, box.height, radius, fill, stroke, stroke_width);
  }
  void fixed(double x, double y, std::string_view what, std::string_view color) {
    text(x, y, what, 11, color,
         "font-family=\"DejaVu Sans Mono, Menlo, monospace\" xml:space=\"preserve\"");
  }

  // From routers to the segments they join.
  void draw_cables() {
    for (const PictureRouter& router : p_.routers) {
      const Box& box = boxes_[router.name];
      double up = -24;
      for (const PictureLeg& leg : router.legs) {
        const Panel& panel = panels_[segment(leg.segment)];
        if (panel.bar) {
          const bool management = segment(leg.segment) == 0;
          line(box.center() + up, box.y, box.center() + up, panel.box.bottom(),
               management ? "stroke=\"#b6bfc9\" stroke-width=\"1.4\" stroke-dasharray=\"2 4\""
                          : "stroke=\"#44525f\" stroke-width=\"2.4\"");
          up += 32;
        } else {
          const double x =
              std::clamp(box.center(), panel.box.x + 40, panel.box.x + panel.box.width - 40);
          line(box.center(), box.bottom(), x, panel.box.y,
               "stroke=\"#44525f\" stroke-width=\"2.4\"");
          if (!leg.addresses.empty()) {
            // On the side from which the cable does not come.
            const bool left = x < box.center();
            text(x + (left ? -8 : 8), panel.box.y - 8, leg.addresses.front(), 10.5, "#44525f",
                 left ? "text-anchor=\"end\"" : "");
          }
        }
      }
    }
  }

  // One arc for each pair of nodes and kind of path, while there are few enough.
  void draw_arcs() {
    std::set<std::array<std::string, 3>> pairs;
    for (const PictureNode& node : p_.nodes) {
      for (const PictureRoute& route : node.routes) {
        ++counts_[route.path];
        pairs.insert(
            {std::min(node.name, route.owner), std::max(node.name, route.owner), route.path});
      }
    }
    if (p_.nodes.size() > kNodesWithArcs) return;
    for (const auto& pair : pairs) {
      if (pair[2] != "router") arc(pair[0], pair[1], color_of(pair[2]), pair[2] == "direct");
    }
  }

  void arc(const std::string& from, const std::string& to, std::string_view color, bool thin) {
    const auto a = boxes_.find(from), b = boxes_.find(to);
    if (a == boxes_.end() || b == boxes_.end()) return;
    const double shift = thin ? 0 : 9;
    const double x1 = a->second.center() + shift, x2 = b->second.center() + shift;
    const double y1 = a->second.bottom(), y2 = b->second.bottom();
    const double depth = bottom_ + 16 + std::abs(x2 - x1) * 0.075;
    out_ += fmt::format(
        "<path d=\"M{:.0f} {:.0f}C{:.0f} {:.0f} {:.0f} {:.0f} {:.0f} {:.0f}\" fill=\"none\" "
        "stroke=\"{}\" stroke-width=\"{}\" opacity=\"0.75\"/>\n",
        x1, y1, x1, depth + 24, x2, depth + 24, x2, y2, color, thin ? 1.6 : 3.2);
    arcs_bottom_ = std::max(arcs_bottom_, depth + 24);
  }

  void draw_sessions() {
    for (const PictureSession& session : p_.sessions) {
      ++(session.established ? sessions_up_ : sessions_down_);
      const auto a = boxes_.find(session.from), b = boxes_.find(session.to);
      if (a == boxes_.end() || b == boxes_.end()) continue;
      const std::string_view color = session.established ? "#2f8f5b" : "#c8322f";
      Box from = a->second, to = b->second;
      if (from.y > to.y) std::swap(from, to);
      std::string path;
      if (to.y - from.y > 40) {  // a router above a node
        path = fmt::format("M{:.0f} {:.0f}C{:.0f} {:.0f} {:.0f} {:.0f} {:.0f} {:.0f}",
                           from.center() + 12, from.bottom(), from.center() + 12,
                           from.bottom() + 60, to.center(), to.y - 60, to.center(), to.y);
      } else if (is_router(session.from)) {
        const Box& left = from.x < to.x ? from : to;
        const Box& right = from.x < to.x ? to : from;
        const double y = from.y + from.height / 2;
        path = fmt::format("M{:.0f} {:.0f}Q{:.0f} {:.0f} {:.0f} {:.0f}", left.x + left.width, y,
                           (left.x + left.width + right.x) / 2, y + 26, right.x, y);
      } else if (p_.nodes.size() <= kNodesWithArcs) {
        const double depth = bottom_ + 8 + std::abs(to.center() - from.center()) * 0.05;
        path = fmt::format("M{:.0f} {:.0f}C{:.0f} {:.0f} {:.0f} {:.0f} {:.0f} {:.0f}",
                           from.center() - 9, from.bottom(), from.center() - 9, depth + 20,
                           to.center() - 9, depth + 20, to.center() - 9, to.bottom());
        arcs_bottom_ = std::max(arcs_bottom_, depth + 20);
      } else {
        continue;
      }
      out_ += fmt::format(
          "<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.8\" stroke-dasharray=\"6 "
          "4\"/>\n",
          path, color);
    }
  }

  bool is_router(const std::string& name) const {
    return std::any_of(p_.routers.begin(), p_.routers.end(),
                       [&](const PictureRouter& router) { return router.name == name; });
  }

  void draw_segment(size_t s) {
    const Panel& panel = panels_[s];
    const PictureSegment& segment = p_.segments[s];
    rectangle(panel.box, panel.bar ? "#e3e8ee" : "#edf1f5", "#c3ccd6", panel.bar ? 8 : 12);
    text(panel.box.x + 16, panel.box.y + 20, segment.name, 13, "#44525f", "font-weight=\"bold\"");
    // Behind the name in a bar, under it in a panel.
    const double x = panel.bar ? 36 + 9 * static_cast<double>(segment.name.size()) : 16;
    text(panel.box.x + x, panel.box.y + (panel.bar ? 20 : 36),
         fmt::format("{}", fmt::join(segment.cidrs, ", ")), 11.5, "#44525f");
  }

  void draw_top() {
    const Panel& first = panels_[0];
    const Box host{kMargin, 52, kTopWidth, 62};
    const Box outside{kMargin + kTopWidth + 40, 52, kTopWidth, 62};
    for (const Box* box : {&host, &outside})
      line(box->center(), box->bottom(), box->center(), first.box.y,
           "stroke=\"#44525f\" stroke-width=\"1.8\"");
    rectangle(host, "#ffffff", "#7f8c99", 8);
    text(host.x + 12, host.y + 20, "this machine", 13, "#1d2733", "font-weight=\"bold\"");
    fixed(host.x + 12, host.y + 37, "API server", "#33404d");
    fixed(host.x + 12, host.y + 52, cut(p_.api, letters(kTopWidth)), "#33404d");
    rectangle(outside, "#ffffff", "#7f8c99", 8);
    text(outside.x + 12, outside.y + 20, "outside client", 13, "#1d2733", "font-weight=\"bold\"");
    for (size_t i = 0; i < p_.outside.size() && i < 2; ++i)
      fixed(outside.x + 12, outside.y + 37 + 15 * static_cast<double>(i), p_.outside[i], "#33404d");
  }

  void draw_router(const PictureRouter& router) {
    const Box& box = boxes_[router.name];
    rectangle(box, "#e7f2ec", "#2f8f5b", 22, 1.8);
    const auto middle = [&](double y, const std::string& what, double size, const char* more) {
      text(box.center(), y, what, size, "#1d2733", more);
    };
    middle(box.y + 22, router.name, 14, "font-weight=\"bold\" text-anchor=\"middle\"");
    middle(box.y + 39, router.as == 0 ? "router" : fmt::format("router, FRR, AS {}", router.as), 11,
           "text-anchor=\"middle\"");
    if (router.routes > 0)
      middle(box.y + 54, fmt::format("{} routes to blocks", router.routes), 11,
             "text-anchor=\"middle\"");
  }

  void draw_node(const PictureNode& node) {
    const Box& box = boxes_[node.name];
    const bool ready = node.state == "ready";
    rectangle(box, "#ffffff", ready ? "#7f8c99" : "#c8322f", 8, ready ? 1.2 : 2.4);
    out_ += fmt::format("<circle cx=\"{:.0f}\" cy=\"{:.0f}\" r=\"5\" fill=\"{}\"/>\n",
                        box.x + box.width - 16, box.y + 16, ready ? "#2f8f5b" : "#c8322f");
    text(box.x + 12, box.y + 21, node.name, 14, "#1d2733", "font-weight=\"bold\"");
    double y = box.y + 39;
    for (const Line& one : lines_of(node)) {
      fixed(box.x + 12, y, cut(one.text, letters(box_)), one.color);
      y += kLine;
    }
  }

  void draw_legend() {
    double y = std::max(bottom_, arcs_bottom_) + 34;
    double x = kMargin;
    for (const PathKind& kind : kPaths) {
      const auto count = counts_.find(std::string(kind.name));
      if (count == counts_.end()) continue;
      line(x, y - 4, x + 26, y - 4, fmt::format("stroke=\"{}\" stroke-width=\"3.2\"", kind.color));
      const std::string label = fmt::format("{}: {} routes", kind.meaning, count->second);
      text(x + 33, y, label, 12, "#33404d");
      x += 60 + 7.2 * static_cast<double>(label.size());
    }
    if (sessions_up_ + sessions_down_ > 0) {
      line(x, y - 4, x + 26, y - 4,
           fmt::format("stroke=\"{}\" stroke-width=\"1.8\" stroke-dasharray=\"6 4\"",
                       sessions_down_ == 0 ? "#2f8f5b" : "#c8322f"));
      std::string label = fmt::format("BGP: {} sessions", sessions_up_);
      if (sessions_down_ > 0) label += fmt::format(", {} not up", sessions_down_);
      text(x + 33, y, label, 12, "#33404d");
    }
    for (const std::string& fault : p_.faults) {
      y += 20;
      text(kMargin, y, fault, 12, "#c8322f", "font-weight=\"bold\"");
    }
    for (const std::string& warning : p_.warnings) {
      y += 20;
      text(kMargin, y, warning, 12, "#8a6100");
    }
    height_ = y + 24;
  }

  const Picture& p_;
  double box_ = kBox;  // width of a node
  std::string out_;
  std::vector<Panel> panels_;         // of p_.segments
  std::map<std::string, Box> boxes_;  // nodes and routers
  std::map<std::string, size_t> counts_;
  size_t sessions_up_ = 0, sessions_down_ = 0;
  double routers_y_ = 0, bottom_ = 0, arcs_bottom_ = 0, width_ = 640, height_ = 0;
};

}  // namespace

std::string picture_svg(const Picture& picture) { return Drawing(picture).draw(); }

}  // namespace caracal::lab
