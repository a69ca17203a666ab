// How a conversation is written for the model: the same options for run and chat.
#pragma once

#include <string>

#include "cli/options.h"
#include "io/model_file.h"
#include "text/chat_template.h"

namespace lowbit::cli {

struct ChatArguments {
  std::string system;         // empty: the template's own message
  std::string template_file;  // empty: the model's template
  std::string tools_file;     // empty: no tools
  nlohmann::ordered_json variables = nlohmann::ordered_json::object();

  // Declares --system, --template-file, --template-arg and --tools; names this object, which must outlive the
  // parsing.
  void add_to(Options& options);
  // The first of these options that was given, for a sentence; empty where none was.
  std::string given() const;

  // The template of the file, or of the model.
  Result<text::ChatTemplate> open_template(const io::ModelFile& model) const;
  // Tools, variables, and the opening of the reply.
  Result<text::ChatOptions> chat_options() const;
};

}  // namespace lowbit::cli
