// What the interpreter changes for a while and puts back, also when a Failure passes.
#pragma once

#include "text/jinja/interpreter.h"

namespace lowbit::text::jinja {

class Interpreter::Depth {
 public:
  explicit Depth(Interpreter& in) : in_(in) {
    if (in.depth_ >= in.limits_.depth) fail("the template calls itself too deeply");
    ++in.depth_;
  }
  ~Depth() { --in_.depth_; }
  Depth(const Depth&) = delete;
  Depth& operator=(const Depth&) = delete;

 private:
  Interpreter& in_;
};

class Interpreter::Scope {
 public:
  Scope(Interpreter& in, Frame* frame) : in_(in), before_(in.frame_) { in.frame_ = frame; }
  ~Scope() { in_.frame_ = before_; }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  Interpreter& in_;
  Frame* before_;
};

class Interpreter::Capture {
 public:
  Capture(Interpreter& in, std::string& out) : in_(in), before_(in.out_) { in.out_ = &out; }
  ~Capture() { in_.out_ = before_; }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

 private:
  Interpreter& in_;
  std::string* before_;
};

}  // namespace lowbit::text::jinja
