#include <csignal>

#include "base/truncation.h"
#include "cli/program.h"

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_DFL);  // a reader that goes away ends the program quietly
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error of write()
  lowbit::install_truncation_handler();
  return lowbit::cli::run_program({argv + (argc > 0 ? 1 : 0), argv + argc});
}
