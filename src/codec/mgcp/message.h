// An MGCP message (RFC 3435 section 3) as an index over its own octets, and the edits that turn it
// into the message that goes on. Parameters that nobody asks for are kept by their text, and what
// no edit touches leaves octet for octet as it came: order, case and spacing included. A message
// owns nothing: the text must outlive it. Values; no I/O; fuzzed.
//
//   CRCX 1204 aaln/1@gw.example.net MGCP 1.0     200 1204 OK
//   C: A3C47F21456789F0                          I: FDE234C8
//   M: recvonly                                  <empty line>
//                                                v=0 ...
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace sallyport::codec::mgcp {

using TransactionId = std::uint32_t;
// RFC 3435 3.2.1.2: transaction-ids are between 1 and 999999999.
constexpr TransactionId kMaxTransactionId = 999'999'999;

enum class Verb : std::uint8_t {
  Other,  // an extension; carried through by its text
  Epcf,
  Crcx,
  Mdcx,
  Dlcx,
  Rqnt,
  Ntfy,
  Auep,
  Aucx,
  Rsip,
};
Verb verb_of(std::string_view text);  // in any case (RFC 3435 3.2.1)

struct Parameter {
  std::string_view name;   // as it came, "K", "x-Flower"
  std::string_view value;  // white space around it trimmed; may be empty
};

// Limits on what a stranger can send; beyond them parsing fails with Exhausted.
constexpr std::size_t kMaxParameters = 128;
constexpr std::size_t kMaxDescriptions = 2;  // local and remote, of AUCX's response
constexpr std::size_t kMaxPiggyBacked = 32;  // messages in one datagram

// RFC 3435 3.5.5: several messages in one datagram are separated by lines with a single dot. Empty
// ones are left out. Of more than kMaxPiggyBacked the rest is cut off.
std::vector<std::string_view> split_datagram(std::string_view datagram);

class Message {
 public:
  // One message. A response needs nothing but its code and transaction-id; a command all of its
  // line.
  static Result<Message> parse(std::string_view text);
  // What of a command that parse() refuses is enough for answering it with an error.
  static std::optional<TransactionId> transaction_of_command(std::string_view text);

  bool is_command() const { return code_ < 0; }
  Verb verb() const { return verb_; }
  std::string_view verb_text() const { return verb_text_; }
  std::string_view endpoint() const { return endpoint_; }
  std::string_view version() const { return version_; }  // "1.0", with a profile: "1.0 NCS 1.0"
  // 0: a response acknowledgement; 100..199: provisional; -1 for a command.
  int code() const { return code_; }
  bool is_provisional() const { return code_ >= 100 && code_ < 200; }
  bool is_success() const { return code_ >= 200 && code_ < 300; }
  std::string_view package() const { return package_; }        // behind '/', or empty
  std::string_view commentary() const { return commentary_; }  // for people
  TransactionId transaction() const { return transaction_; }

  const std::vector<Parameter>& parameters() const { return parameters_; }
  // The value of the first parameter of that name, in any case.
  std::optional<std::string_view> find(std::string_view name) const;
  // Session descriptions, each behind an empty line.
  const std::vector<std::string_view>& descriptions() const { return descriptions_; }
  std::string_view text() const { return text_; }

 private:
  Result<void> index_first_line(std::string_view line);
  Result<void> index_command(std::string_view line);
  Result<void> index_response(std::string_view line);

  std::string_view text_, verb_text_, transaction_text_, endpoint_, version_, package_, commentary_;
  Verb verb_ = Verb::Other;
  int code_ = -1;
  TransactionId transaction_ = 0;
  std::vector<Parameter> parameters_;
  std::vector<std::string_view> descriptions_;
  std::size_t parameters_end_ = 0;  // offset in text_ behind the last parameter's line
  friend class Editor;
};

// Edits to a message, applied in one pass of copying; without any edit the text comes out as it
// went in. A value that is written brings no line end with it. The message must outlive the editor.
// Parameters and descriptions are named by their index.
class Editor {
 public:
  explicit Editor(const Message& message) : message_(message) {}

  void set_transaction(TransactionId id);
  void set_endpoint(std::string_view endpoint);      // of a command
  void set_commentary(std::string_view commentary);  // of a response that has one
  void set(std::size_t parameter, std::string_view value);
  void remove(std::size_t parameter);
  void add(std::string_view name, std::string_view value);  // behind the last parameter
  void set_description(std::size_t description, std::string_view text);
  std::string finish() const;

 private:
  struct Splice {
    std::size_t begin = 0, end = 0;
    std::string text;
    bool is_line = false;  // begins a line, whatever becomes of what stands before it
  };
  void replace(std::string_view what, std::string text);

  const Message& message_;
  std::vector<Splice> splices_;
};

// Messages of our own, without parameters.
std::string response(int code, TransactionId transaction, std::string_view commentary);
std::string command(std::string_view verb, TransactionId transaction, std::string_view endpoint);

}  // namespace sallyport::codec::mgcp
