// A decoded message of aligned PER: its octets as they came, and a tree over them that lies in one
// array. Who reads it walks with View, who changes or makes one with Edit; both are handles, known
// by type where the generated headers give names (codec/h323/h225.schema.h):
//
//   per::Message message;                                      // reused from message to message
//   if (const auto read = message.decode<h225::RasMessage>(octets); !read) return read.error();
//   const auto rrq = message.root<h225::RasMessage>()[h225::RasMessage::kRegistrationRequest];
//   if (!rrq) ...                                              // another alternative
//   for (const auto alias : rrq[h225::RegistrationRequest::kTerminalAlias]) ... alias.text() ...
//   message.edit(rrq)[h225::RegistrationRequest::kTimeToLive].set(30);
//   message.encode(out);
//
// What is not there is an absent view: it has no children, and its values are zero or empty. To ask
// Edit for what is not there makes it.
//
// What is not changed leaves as it came, down to the bits: a new value that takes the same room is
// written over the old one, so the message as a whole stays the sender's; other changes make
// encode() write anew what they touch, and copy the rest. Unknown extensions are kept and copied.
//
// Views hold an index into the message: they go stale when it is decoded into, cleared, moved or
// destroyed. Spans and string_views also do when it is edited. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "codec/per/schema.h"

namespace sallyport::codec::per {

// What a stranger can make us do. A message beyond one of these is refused.
struct Limits {
  std::size_t octets = std::size_t{64} * 1024;  // of a message
  std::uint32_t nodes = 16384;                  // values in it
  unsigned depth = 48;                          // of values in values
};

inline constexpr std::uint32_t kNone = 0xffffffff;

// How types are named at compile time. The generated structs have `kSchema`; a list has also
// `Element`, an octet string that holds an encoding `Contents`.
struct Value {};  // a plain value whose type has no name
template <class T>
struct ListOf {
  using Element = T;
};
template <class T>
struct Holding {
  using Contents = T;
};
// The component or alternative at Index of Owner.
template <class Owner, class T, std::uint16_t Index>
struct Field {
  static constexpr std::uint16_t kIndex = Index;
};

class Message;
template <class T>
class View;
template <class T>
class Edit;

struct BitSpan {
  std::uint64_t offset = 0;  // in bits, in the message as it came
  std::uint64_t length = 0;
};

// A place in a message, of whatever type, or none. The getters of a kind that the node is not, or
// of an absent node, yield zero or nothing.
class Node {
 public:
  Node() = default;
  Node(const Message* message, std::uint32_t index) : message_(message), index_(index) {}

  bool is_absent() const { return index_ == kNone; }
  explicit operator bool() const { return !is_absent(); }
  friend bool operator==(const Node&, const Node&) = default;

  // kOpaque where absent.
  const Type& type() const;
  template <class T>
  bool is() const {
    return &type() == T::kSchema;
  }
  // The same place as a view of T; absent if it is of another type.
  template <class T>
  View<T> as() const;
  // An extension addition, or an alternative, that the schema does not know; see octets().
  bool is_opaque() const { return !is_absent() && type().kind == Kind::Opaque; }
  // Which component of its parent this is, by number and by name.
  std::uint16_t member() const;
  std::string_view name() const;

  Node parent() const;
  Node first_child() const;
  Node next() const;  // sibling
  Node child(std::uint16_t member) const;
  std::uint32_t child_count() const;
  // The alternative of a CHOICE that is there.
  Node chosen() const { return type().kind == Kind::Choice ? first_child() : Node{}; }
  // What an octet string holds, where it could be read as the schema says.
  Node contents() const { return type().kind == Kind::OctetString ? first_child() : Node{}; }

  // INTEGER; the number of an enumerator, counted through the root and the extensions; 1 for TRUE.
  std::int64_t integer(std::int64_t otherwise = 0) const;
  bool boolean() const { return integer() != 0; }
  // The octets of a string, an OBJECT IDENTIFIER or something opaque; one octet for each character
  // (two in BMPString). Of an integer that does not fit into 64 bits: all of it. Of an octet string
  // that holds an encoding: as it came.
  Bytes octets() const;
  std::uint32_t bit_count() const;  // of BIT STRING
  std::string text() const;         // of a character string, in UTF-8
  bool equals(std::string_view ascii) const;

  // Where it lay in the message as it came, with the octet padding before it. Empty if it did not.
  BitSpan source() const;

  const Message* message() const { return message_; }
  std::uint32_t index() const { return index_; }

 protected:
  const Message* message_ = nullptr;
  std::uint32_t index_ = kNone;
};

template <class T>
class View : public Node {
 public:
  View() = default;
  explicit View(Node node) : Node(node) {}

  // A component of a SEQUENCE, or the alternative of a CHOICE if it is this one.
  template <class U, std::uint16_t Index>
  View<U> operator[](Field<T, U, Index>) const {
    return View<U>{child(Index)};
  }
  template <class U, std::uint16_t Index>
  bool has(Field<T, U, Index>) const {
    return !child(Index).is_absent();
  }
  auto contents() const { return View<typename T::Contents>{Node::contents()}; }

  // A list's elements.
  auto begin() const {
    return Iterator<typename T::Element>{View<typename T::Element>{first_child()}};
  }
  auto end() const { return Iterator<typename T::Element>{}; }
  bool empty() const { return first_child().is_absent(); }
  std::uint32_t size() const { return child_count(); }
  auto at(std::uint32_t position) const {
    Node node = first_child();
    while (position-- != 0 && node) node = node.next();
    return View<typename T::Element>{node};
  }

 private:
  template <class E>
  class Iterator {
   public:
    using value_type = View<E>;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;
    using pointer = const View<E>*;
    using reference = const View<E>&;
    Iterator() = default;
    explicit Iterator(View<E> at) : at_(at) {}
    const View<E>& operator*() const { return at_; }
    const View<E>* operator->() const { return &at_; }
    Iterator& operator++() {
      at_ = View<E>{at_.next()};
      return *this;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) {
      return a.at_.is_absent() ? b.at_.is_absent() : a.at_ == b.at_;
    }

   private:
    View<E> at_;
  };
};

// What Edit can do to a node of any type. A value that its type does not allow is noticed by
// Message::encode. To edit an absent node, or to ask for what its type has not, does nothing.
class NodeEdit {
 public:
  NodeEdit(Message* message, std::uint32_t index) : message_(message), index_(index) {}

  Node node() const { return {message_, index_}; }

  void set(std::int64_t value);   // INTEGER, ENUMERATED, BOOLEAN
  void set_octets(Bytes octets);  // of strings as Node::octets() has them
  void set_bits(Bytes octets, std::uint32_t bits);
  void set_text(std::string_view utf8);  // character strings
  // Becomes a deep copy of a node of the same type, of this or another message.
  void copy(Node from);
  // Becomes new and empty: no children, no value.
  void clear();

  // A component or an alternative by its number: as it is, or made.
  NodeEdit member(std::uint16_t index);
  void remove(std::uint16_t index);
  NodeEdit append();                // a new element of a list
  NodeEdit contents();              // what an octet string holds
  NodeEdit hold(const Type& type);  // the same, where the schema does not say of what type

 private:
  bool is_nowhere() const { return index_ == kNone; }
  void set_units(Bytes octets, std::uint32_t units);

 protected:
  Message* message_;
  std::uint32_t index_;
};

template <class T>
class Edit : public NodeEdit {
 public:
  explicit Edit(NodeEdit edit) : NodeEdit(edit) {}

  View<T> view() const { return View<T>{node()}; }

  // A component, made if it is not there; an alternative, in place of another that is there.
  template <class U, std::uint16_t Index>
  Edit<U> operator[](Field<T, U, Index>) {
    return Edit<U>{member(Index)};
  }
  template <class U, std::uint16_t Index>
  void remove(Field<T, U, Index>) {
    NodeEdit::remove(Index);
  }
  auto append() { return Edit<typename T::Element>{NodeEdit::append()}; }
  auto contents() { return Edit<typename T::Contents>{NodeEdit::contents()}; }
};

class Message {
 public:
  Message() = default;

  // Reads a message of type `type` from a copy of `octets`. Octets behind it are kept, too. If it
  // fails the message is empty.
  Result<void> decode(const Type& type, Bytes octets, const Limits& limits = {});
  template <class T>
  Result<void> decode(Bytes octets, const Limits& limits = {}) {
    return decode(*T::kSchema, octets, limits);
  }

  // A new message, nothing in it yet.
  NodeEdit make(const Type& type);
  template <class T>
  Edit<T> make() {
    return Edit<T>{make(*T::kSchema)};
  }
  void clear();

  Node root() const { return {this, nodes_.empty() ? kNone : 0}; }
  // Absent if the message is of another type.
  template <class T>
  View<T> root() const {
    return root().as<T>();
  }

  // `node` is of this message.
  NodeEdit edit(Node node) { return {this, node.index()}; }
  template <class T>
  Edit<T> edit(View<T> view) {
    return Edit<T>{NodeEdit{this, view.index()}};
  }

  // Takes a component, an alternative or an element away. Walks and iterations that are at it go
  // on.
  void remove(Node node);

  // Every node, parents before their children, through octet strings that hold an encoding.
  class Walk;
  Walk walk() const;

  // Reads what an octet string holds where the schema alone cannot tell; contents() has it then.
  // If it cannot be read as that, nothing changes. `node` is of this message.
  bool open(Node node, const Type& contents, const Limits& limits = {});
  // Octet strings in which something other lay than the schema says. They are kept as octets.
  std::uint32_t unreadable_count() const { return unreadable_count_; }

  // How many octets of those given to decode() the message took: several may lie one after another.
  std::size_t octets_read() const;

  // Whether encode() has more to do than to copy.
  bool is_changed() const { return changed_; }
  // Appends the message to `out`, at an octet of its own. If it is changed, octets that were behind
  // its end are left out.
  Result<void> encode(Buffer& out) const;
  // The same, with every value written anew: for tests of the encoder, and to normalize.
  Result<void> encode_anew(Buffer& out) const;
  // The octets as they came, with what was written over; of use while !is_changed().
  Bytes octets() const { return Bytes{store_}.first(source_octets_); }

 private:
  friend class Node;
  friend class NodeEdit;
  friend class Decoder;
  friend class Encoder;

  struct NodeData {
    const Type* type = nullptr;
    // INTEGER, ENUMERATED, BOOLEAN; of a SEQUENCE with extension additions how many the sender knew
    std::int64_t number = 0;
    std::uint32_t parent = kNone;
    std::uint32_t first = kNone;
    std::uint32_t next = kNone;
    std::uint32_t source = kNone;  // in bits, into store_
    std::uint32_t source_length = 0;
    std::uint32_t view = 0;         // where octets() begins in store_
    std::uint32_t view_length = 0;  // in octets; of BIT STRING in bits
    std::uint16_t member = 0;
    bool clean = false;  // it and all below is still what lies at `source`
    bool large = false;  // an INTEGER that is in the view, as it does not fit into number
  };

  std::uint32_t add(const Type& type, std::uint32_t parent, std::uint16_t member);
  // Puts a node among its parent's children: in the order of members, or at the end of a list.
  void link(std::uint32_t node);
  void unlink(std::uint32_t node);
  void touch(std::uint32_t node);
  void settle(std::uint32_t node);
  void set_view(std::uint32_t node, Bytes octets, std::uint32_t length);
  void copy(std::uint32_t to, const Message& other, std::uint32_t from);
  Bytes view_octets(const NodeData& node) const;
  Result<void> write(Buffer& out, bool copies) const;

  std::vector<NodeData> nodes_;  // the root is 0; what was removed stays until clear()
  // The octets as they came, eight zeros (so that bits are read eight octets at once), and then
  // whatever had to be put together: strings of less than an octet a character, fragments, and
  // values set.
  Buffer store_;
  std::size_t source_octets_ = 0;
  Buffer scratch_;
  std::uint32_t unreadable_count_ = 0;
  bool changed_ = false;
};

class Message::Walk {
 public:
  class Iterator {
   public:
    using value_type = Node;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;
    using pointer = const Node*;
    using reference = Node;
    Iterator(const Message* message, std::uint32_t at) : message_(message), at_(at) {}
    Node operator*() const { return {message_, at_}; }
    Iterator& operator++() {
      const std::vector<NodeData>& nodes = message_->nodes_;
      if (nodes[at_].first != kNone) {
        at_ = nodes[at_].first;
        return *this;
      }
      while (at_ != kNone && nodes[at_].next == kNone) at_ = nodes[at_].parent;
      if (at_ != kNone) at_ = nodes[at_].next;
      return *this;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.at_ == b.at_; }

   private:
    const Message* message_;
    std::uint32_t at_;
  };
  explicit Walk(Node root) : root_(root) {}
  Iterator begin() const { return {root_.message(), root_.index()}; }
  Iterator end() const { return {root_.message(), kNone}; }

 private:
  Node root_;
};

inline Message::Walk Message::walk() const { return Walk{root()}; }

inline const Type& Node::type() const {
  return is_absent() ? kOpaque : *message_->nodes_[index_].type;
}
inline std::uint16_t Node::member() const {
  return is_absent() ? 0 : message_->nodes_[index_].member;
}
inline Node Node::parent() const {
  return is_absent() ? Node{} : Node{message_, message_->nodes_[index_].parent};
}
inline Node Node::first_child() const {
  return is_absent() ? Node{} : Node{message_, message_->nodes_[index_].first};
}
inline Node Node::next() const {
  return is_absent() ? Node{} : Node{message_, message_->nodes_[index_].next};
}
inline Node Node::child(std::uint16_t member) const {
  Node node = first_child();
  while (node && node.member() != member) node = node.next();
  return node;
}

template <class T>
View<T> Node::as() const {
  return is<T>() ? View<T>{*this} : View<T>{};
}

}  // namespace sallyport::codec::per
