// The steps that lab_up() and lab_repair() are made of. Blocking.
#pragma once

#include <chrono>
#include <functional>

#include "base/result.h"
#include "lab/lab.h"

namespace caracal::lab {

// Folders of the state, and each node's conflist.
Status make_folders(const Lab& lab);
// caracal-apiserver on the loopback and on the fabric; returns when it is ready. Errors hold the
// end of its log.
Status start_api(const Lab& lab, const Programs& programs);
// The admin's kubeconfig with the server as the nodes reach it, for each node.
Status write_node_kubeconfigs(const Lab& lab);
// The usual namespaces, and the Node objects. What is there already stays.
Status create_objects(const Lab& lab);
// The topology's own objects, in their order; what is there already is replaced. Errors name the
// object.
Status apply_objects(const Lab& lab);
// `caracal lab run`; returns when it runs.
Status start_supervisor(const Lab& lab, const Programs& programs);
// Until every node is Ready. Errors: kTimeout says which is not, and why.
Status wait_for_nodes(const Lab& lab);

// Asks again every few milliseconds until it is true (returns true) or the time is over.
bool wait_until(std::chrono::milliseconds limit, const std::function<bool()>& condition);

}  // namespace caracal::lab
