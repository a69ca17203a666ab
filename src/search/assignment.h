// Which format each parameter was asked to have: rules on names against the tensors of a model.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "models/open.h"
#include "quant/plan.h"
#include "quant/recipe.h"

namespace lowbit::search {

class Assignment {
 public:
  // An error where a rule applies to no tensor: it names the rule and some tensors.
  static Result<Assignment> make(const models::OpenedModel& opened, const std::vector<quant::FormatRule>& rules,
                                 const io::WrittenKind& kind = io::native_kind());

  // What the first rule that applies asks for; null where none does.
  const formats::Format* asked(const std::string& name) const;
  // The parameter with the source's codes.
  quant::TensorPlan kept(const std::string& name) const;
  // As asked for by a rule, else (matrices that the kind of file leaves free) in `format`; kept where there is
  // neither or where it is so already. calibrated: whether there will be statistics of this parameter, if it has any.
  quant::TensorPlan uniform(const std::string& name, const std::optional<formats::Format>& format,
                            const std::string& method, bool calibrated) const;
  // Whether such plans round anything (plain casts are no rounding by a method).
  bool rounds(const std::optional<formats::Format>& format) const;
  // A matrix that is multiplied or looked up.
  bool has_statistics(const std::string& name) const;
  // Whether one format for all, or a budget, is about it.
  bool is_free(const std::string& name) const;

 private:
  struct Parameter {
    quant::TensorPlan kept;
    std::optional<formats::Format> asked;
    bool statistics = false, free = true;
  };
  std::map<std::string, Parameter> parameters_;
};

}  // namespace lowbit::search
