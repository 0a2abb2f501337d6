#include "engine/model/attention_config.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "engine/formats/json_fields.h"

namespace kprune {
namespace {

using nlohmann::json;

absl::Status Refuse(std::string_view key, const json& found, std::string_view accepted) {
  return absl::InvalidArgumentError(absl::StrCat("config.json: \"", std::string(key), "\" is ",
                                                 Described(found), "; accepted is ", std::string(accepted)));
}

absl::StatusOr<int> ReadInt(const json& config, const char* key, int64_t assumed, int64_t least) {
  const json value = config.value(key, json(assumed));
  if (!value.is_number_integer() || value < least || value > (1 << 20)) {
    return Refuse(key, value, absl::StrCat("an integer from ", least, " to ", 1 << 20));
  }
  return value.get<int>();
}

absl::StatusOr<bool> ReadBool(const json& config, const char* key, bool assumed) {
  const json value = config.value(key, json(assumed));
  if (!value.is_boolean()) return Refuse(key, value, "true or false");
  return value.get<bool>();
}

absl::StatusOr<double> CheckTheta(const char* key, const json& value) {
  if (!value.is_number() || !(value.get<double>() > 1)) return Refuse(key, value, "a number above 1");
  return value.get<double>();
}

// The base of the angles: transformers 5 writes "rope_parameters", by kind of layer where there are several;
// 4 writes `key`.
absl::StatusOr<double> ReadTheta(const json& config, const char* kind, const char* key, double assumed) {
  const json parameters = config.value("rope_parameters", json());
  const json of_kind = parameters.is_object() && *kind != '\0' ? parameters.value(kind, json()) : parameters;
  for (const json& scaling : {of_kind, config.value("rope_scaling", json())}) {
    if (!scaling.is_object()) continue;
    const json type = scaling.value("rope_type", json("default"));
    if (type != "default") return Refuse("rope_type", type, "\"default\"");
  }
  if (of_kind.is_object() && of_kind.contains("rope_theta"))
    return CheckTheta("rope_theta", of_kind["rope_theta"]);
  const json value = config.value(key, json(assumed));
  return CheckTheta(key, value.is_null() && assumed > 0 ? json(assumed) : value);
}

// ModernBERT: every so many layers one sees all tokens, the others a window.
absl::Status ReadLocalLayers(const json& config, int layers, AttentionConfig& attention) {
  const absl::StatusOr<int> width = ReadInt(config, "local_attention", 128, 1);
  if (!width.ok()) return width.status();
  attention.window = *width / 2;
  if (const auto types = config.find("layer_types"); types != config.end() && types->is_array()) {
    for (const json& type : *types) {
      if (type != "full_attention" && type != "sliding_attention")
        return Refuse("layer_types", type, "a list of full_attention and sliding_attention");
      attention.local.push_back(type == "sliding_attention");
    }
    if (static_cast<int>(attention.local.size()) == layers) return absl::OkStatus();
    return Refuse("layer_types", *types, absl::StrCat("a list of ", layers, " kinds"));
  }
  const absl::StatusOr<int> every = ReadInt(config, "global_attn_every_n_layers", 3, 1);
  if (!every.ok()) return every.status();
  for (int layer = 0; layer < layers; ++layer) attention.local.push_back(layer % *every != 0);
  return absl::OkStatus();
}

absl::Status ReadRotary(const json& config, bool has_local, int layers, AttentionConfig& attention) {
  attention.local.clear();
  if (has_local) {
    if (absl::Status status = ReadLocalLayers(config, layers, attention); !status.ok()) return status;
    auto local = ReadTheta(config, "sliding_attention", "local_rope_theta", 10'000);
    if (!local.ok()) return local.status();
    attention.local_rotary_theta = *local;
  } else {
    attention.local.assign(layers, false);
  }
  auto theta = has_local ? ReadTheta(config, "full_attention", "global_rope_theta", 160'000)
                         : ReadTheta(config, "", "rope_theta", 0);
  if (!theta.ok()) return theta.status();
  attention.rotary_theta = *theta;
  return absl::OkStatus();
}

// "c2p|p2c", or a list of these.
absl::Status ReadKinds(const json& config, AttentionConfig& attention) {
  json kinds = config.value("pos_att_type", json::array());
  if (kinds.is_null()) kinds = json::array();
  if (kinds.is_string()) {
    json list = json::array();
    for (const std::string& kind : std::vector<std::string>(absl::StrSplit(kinds.get<std::string>(), '|')))
      list.push_back(kind);
    kinds = list;
  }
  if (!kinds.is_array()) return Refuse("pos_att_type", kinds, "a list of c2p and p2c");
  for (const json& kind : kinds) {
    if (kind != "c2p" && kind != "p2c") return Refuse("pos_att_type", kind, "c2p, p2c or a list of them");
    (kind == "c2p" ? attention.as_keys : attention.as_queries) = true;
  }
  return absl::OkStatus();
}

absl::Status ReadDisentangled(const json& config, int max_positions, AttentionConfig& attention) {
  if (absl::Status status = ReadKinds(config, attention); !status.ok()) return status;
  const auto relative = ReadBool(config, "relative_attention", false);
  if (!relative.ok()) return relative.status();
  if (!*relative) return Refuse("relative_attention", false, "true");
  const auto conv = ReadInt(config, "conv_kernel_size", 0, 0);
  if (!conv.ok()) return conv.status();
  if (*conv != 0) return Refuse("conv_kernel_size", *conv, "0: convolutions are not supported");
  const auto shared = ReadBool(config, "share_att_key", false);
  if (!shared.ok()) return shared.status();
  attention.shared_projections = *shared;
  const auto buckets = ReadInt(config, "position_buckets", -1, -1);
  const auto distance = ReadInt(config, "max_relative_positions", -1, -1);
  for (const auto& value : {buckets, distance}) {
    if (!value.ok()) return value.status();
  }
  attention.buckets = std::max(0, *buckets);
  attention.max_distance = *distance < 1 ? max_positions : *distance;
  attention.span = attention.buckets > 0 ? attention.buckets : attention.max_distance;
  const json norm = config.value("norm_rel_ebd", json("none"));
  if (!norm.is_string()) return Refuse("norm_rel_ebd", norm, "\"none\" or \"layer_norm\"");
  attention.normalized = norm.get<std::string>().find("layer_norm") != std::string::npos;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<AttentionConfig> ReadAttentionConfig(const json& config, const Family& family, int layers,
                                                    int max_positions) {
  AttentionConfig attention;
  attention.local.assign(layers, false);
  absl::Status status;
  switch (family.attention) {
    case AttentionKind::kPlain:
      break;
    case AttentionKind::kPositionBias: {
      const auto buckets = ReadInt(config, "relative_attention_num_buckets", 32, 4);
      if (!buckets.ok()) return buckets.status();
      // MPNet computes with 32 buckets, whatever the size of its table.
      if (*buckets < 32)
        return Refuse("relative_attention_num_buckets", *buckets, "an integer of at least 32");
      attention.span = *buckets;
      attention.buckets = 32;
      attention.max_distance = 128;
      break;
    }
    case AttentionKind::kDisentangled:
      status = ReadDisentangled(config, max_positions, attention);
      break;
    case AttentionKind::kRotary:
    case AttentionKind::kRotaryOrLocal:
      status = ReadRotary(config, family.attention == AttentionKind::kRotaryOrLocal, layers, attention);
      break;
  }
  if (!status.ok()) return status;
  return attention;
}

}  // namespace kprune
