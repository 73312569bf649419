#include "runtime/bundle/bundle.h"

#include <algorithm>
#include <set>

#include "runtime/bundle/contents.h"
#include "runtime/bundle/errors.h"
#include "runtime/bundle/format.h"
#include "runtime/bundle/requirements.h"
#include "runtime/bundle/sealed.h"
#include "runtime/bundle/signature.h"
#include "runtime/bundle/values.h"

namespace mapt {

namespace {

// The folder with the manifest, and the name of the size that is asked for; empty where it is the bundle itself.
struct Root {
  std::string folder, size;
};

Root find_root(const std::string& folder) {
  try {
    const std::string parent = parent_of(folder);
    if (!is_file(joined(folder, kManifest)) && is_file(joined(parent, kManifest))) return {parent, name_of(folder)};
  } catch (const FileError&) {  // the message about the manifest says why
  }
  return {folder, ""};
}

SizesManifest read_manifest(const Root& root, const BundleRequest& request) {
  const std::string path = joined(root.folder, kManifest);
  const Bytes content = open_manifest(path);  // read once, so that the checked bytes are the bytes in use
  if (request.trust) check_signature(content, path, *request.trust, joined(root.folder, kSignature));
  return parse_manifest(path, read_sealed(path, content));
}

// The entry of that name, or of the first size. A size may have several entries, of different lowerings; the first that
// runs here is taken.
const Manifest& choose(const Root& root, const SizesManifest& manifest, const std::string& onnxruntime) {
  const std::string wanted = root.size.empty() ? manifest.inputs[0].size() : root.size;
  std::vector<const Manifest*> own;
  const Manifest* exact = nullptr;
  for (const Manifest& entry : manifest.inputs) {
    if (entry.size() == wanted) own.push_back(&entry);
    if (entry.name == root.size && !exact) exact = &entry;
  }
  for (const Manifest* entry : own)
    if (runs_on(entry->needed, onnxruntime)) return *entry;
  if (!own.empty()) return *own[0];
  if (exact) return *exact;
  std::string have;
  std::set<std::string> listed;
  for (const Manifest& entry : manifest.inputs)
    if (listed.insert(entry.size()).second) have += (have.empty() ? "" : ", ") + entry.size();
  throw InputError(root.folder + ": has no input size " + shown(Json(root.size)) + ", but " + have);
}

// Values and paths, in the order in which Python reads them. Throws ValueError and InputError.
struct Paths {
  std::map<std::string, std::string> graphs;  // by subgraph
};

Paths read_values(const std::string& path, const Manifest& manifest, Bundle& bundle) {
  Paths paths;
  bundle.info = read_model_info(manifest);
  for (const auto& [name, entry] : manifest.subgraphs) paths.graphs[name] = inside(path, entry.file);
  for (const auto& [name, entry] : manifest.subgraphs) {
    check_precision(name, entry.precision, manifest.precision);
    bundle.precisions[name] = entry.precision;
  }
  bundle.needed = read_requirements(manifest.needed);
  for (const auto& [target, entries] : manifest.engines)
    for (const auto& [name, entry] : entries)
      bundle.engines[target][name] = {inside(path, entry.file), entry.library, {}};
  return paths;
}

void check_subgraphs(const std::string& path, const Manifest& manifest) {
  for (const SubgraphSpec& spec : kSubgraphs)
    if (!manifest.subgraphs.count(spec.name))
      throw InputError(path + ": names no subgraph " + repr_of(spec.name) + "; export the bundle again");
  for (const auto& [name, entry] : manifest.subgraphs) {
    const auto known = [&, &name = name](const SubgraphSpec& spec) { return name == spec.name; };
    if (std::none_of(std::begin(kSubgraphs), std::end(kSubgraphs), known))
      throw InputError(path + ": has the unknown subgraph " + repr_of(name) + "; export it with this version");
  }
}

NamedFiles named_files(const std::string& path, const SizesManifest& all, const Manifest& manifest) {
  NamedFiles named;
  if (all.several)
    for (const auto& [name, digest] : all.files) named.add(inside(path, name), digest);
  for (const auto& [name, entry] : manifest.subgraphs) named.add(inside(path, entry.file), entry.sha256);
  for (const auto& [name, digest] : manifest.files) named.add(inside(path, name), digest);
  for (const auto& [target, entries] : manifest.engines)
    for (const auto& [name, entry] : entries) named.add(inside(path, entry.file), entry.sha256);
  return named;
}

Bundle read_one(const std::string& path, const SizesManifest& all, const Manifest& manifest,
                const std::string& target) {
  Bundle bundle;
  bundle.id = manifest.id;
  bundle.lowering = manifest.lowering;
  bundle.operators = manifest.operators;
  Paths paths;
  try {
    paths = read_values(path, manifest, bundle);
  } catch (const ValueError& error) {
    throw InputError(path + ": is malformed (" + error.what() + "); export the bundle again");
  }
  check_pair_sums(path, manifest);
  check_subgraphs(path, manifest);
  std::set<std::string> graphs;
  for (const auto& [name, file] : paths.graphs) graphs.insert(file);
  std::set<std::string> keep = graphs;
  std::string golden;
  for (const auto& [name, digest] : manifest.files)
    if (golden.empty() && name_of(normal_path(name)) == kGolden) golden = inside(path, name);
  if (!golden.empty()) keep.insert(golden);
  const auto engines = bundle.engines.find(target);
  if (engines != bundle.engines.end())
    for (const auto& [name, engine] : engines->second) keep.insert(engine.path);
  const NamedFiles named = named_files(path, all, manifest);
  for (const auto& [file, digest] : named.all()) require_file(file);
  std::optional<std::string> parameters;
  if (all.several) parameters = joined(parent_of(path), kParameters);
  auto kept = read_contents(named, keep, graphs, parameters);
  for (const auto& [name, file] : paths.graphs) bundle.graphs[name] = {file, kept[file], named.digest(file)};
  if (engines != bundle.engines.end())
    for (auto& [name, engine] : engines->second) engine.content = kept[engine.path];
  if (!golden.empty()) bundle.golden = BundleFile{golden, std::move(kept[golden]), named.digest(golden)};
  return bundle;
}

}  // namespace

Bundle read_bundle(const BundleRequest& request) {
  const Root root = find_root(normal_path(request.folder));
  const std::string path = joined(root.folder, kManifest);
  const SizesManifest manifest = read_manifest(root, request);
  if (manifest.several) {
    const Manifest& chosen = choose(root, manifest, request.onnxruntime);
    if (!manifest.files.count(kParameters))
      throw InputError(path + ": names no " + kParameters + "; export the bundle again");
    Bundle bundle = read_one(path, manifest, chosen, request.target);
    bundle.folder = joined(root.folder, chosen.name);
    bundle.weights = joined(root.folder, kWeights);
    return bundle;
  }
  if (!root.size.empty()) open_manifest(joined(joined(root.folder, root.size), kManifest));  // throws
  Bundle bundle = read_one(path, manifest, manifest.inputs[0], request.target);
  bundle.folder = root.folder;
  bundle.weights = joined(root.folder, kWeights);
  return bundle;
}

OfferedSizes read_sizes(const BundleRequest& request) {
  const Root root = find_root(normal_path(request.folder));
  const SizesManifest manifest = read_manifest(root, request);
  OfferedSizes offered;
  offered.several = manifest.several && root.size.empty();
  for (const Manifest& entry : manifest.inputs) {
    const Size size{entry.height, entry.width};
    const bool own = root.size.empty() || !manifest.several || root.size == entry.size() || root.size == entry.name;
    if (own && !std::count(offered.sizes.begin(), offered.sizes.end(), size)) offered.sizes.push_back(size);
  }
  return offered;
}

}  // namespace mapt
