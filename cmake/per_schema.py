#!/usr/bin/env python3
"""Turns *.schema files, which say what ASN.1 modules define, into C++ tables, or prints them as ASN.1.

  per_schema.py --cpp DIR NAMESPACE INCLUDE FILE...   DIR/schema.cc and DIR/NAME.schema.h for each FILE
  per_schema.py --asn1 MODULE FILE...                 one ASN.1 module on standard output

A file NAME.schema defines types, `Type = type`, in this notation; `#` begins a comment:

  bool  null  oid  int(0..255)  octets(4)  bits(1..2048)  enum { a b ... c }
  ia5(1..128) from "0123456789"  printable  visible  numeric  bmp  general  utf8
  seq { name type  optional? type  ...  extension type }     SEQUENCE
  choice { name type  ...  extension type }                  CHOICE
  list(1..256) type                                          SEQUENCE OF
  octets holding type                                        an octet string with an encoding in it
  Name  other.Name                                           of this file, of other.schema

Bounds are (n), (n..m), (n..), (..) and end with `, ...` where they may be extended. A group of extension
additions, [[ ]] in ASN.1, is an extension addition of type `group { ... }`: it is encoded as that.
"""

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

TOKEN = re.compile(r'"[^"]*"|\.\.\.|\.\.|[A-Za-z][A-Za-z0-9.-]*\??|-?\d+|[{}(),=]')
ASCII = ''.join(map(chr, range(128)))
# what characters there are, in ascending order
STRINGS = {
    'ia5': ('IA5String', ASCII),
    'visible': ('VisibleString', ASCII[32:127]),
    'printable': ('PrintableString',
                  ''.join(sorted(c for c in ASCII if c.isalnum() or c in " '()+,-./:=?"))),
    'numeric': ('NumericString', ' 0123456789'),
    'bmp': ('BMPString', None),
}
OTHER_STRINGS = {'general': 'GeneralString', 'utf8': 'UTF8String'}


@dataclass
class Type:
    kind: str
    bounds: tuple = ()          # (lower, upper, extensible), None where unlimited
    alphabet: str = ''
    members: list = field(default_factory=list)  # (name, Type, optional)
    root: int = 0
    extensible: bool = False
    element: 'Type' = None      # of list; what octets hold
    name: str = ''              # of a definition, or of what is referred to
    module: str = ''
    group: bool = False


class Parser:
    def __init__(self, path):
        self.module = path.stem
        text = '\n'.join(line.split('#')[0] if '"' not in line else line
                         for line in path.read_text().split('\n'))
        self.tokens = TOKEN.findall(text)
        self.at = 0
        self.path = path

    def peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def next(self):
        self.at += 1
        return self.tokens[self.at - 1]

    def eat(self, token):
        if self.peek() == token:
            self.at += 1
            return True
        return False

    def need(self, token):
        if not self.eat(token):
            near = ' '.join(self.tokens[max(0, self.at - 8):self.at + 3])
            sys.exit(f'{self.path}: {token!r} wanted near: {near}')

    def definitions(self):
        while self.peek() is not None:
            name = self.next()
            self.need('=')
            yield name, self.type()

    def bounds(self):
        if not self.eat('('):
            return ()
        lower = upper = None
        if self.peek() != '..':
            lower = upper = int(self.next())
        if self.eat('..'):
            upper = None if self.peek() in (')', ',') else int(self.next())
        extensible = self.eat(',')
        if extensible:
            self.need('...')
        self.need(')')
        return (lower, upper, extensible)

    def type(self):
        word = self.next()
        if word in ('bool', 'null', 'oid') or word in OTHER_STRINGS:
            return Type(word)
        if word == 'int':
            return Type(word, self.bounds())
        if word in ('octets', 'bits') or word in STRINGS:
            made = Type(word, self.bounds())
            if self.eat('holding'):
                made.element = self.type()
            if self.eat('from'):
                made.alphabet = self.next().strip('"')
            return made
        if word == 'list':
            made = Type(word, self.bounds())
            made.element = self.type()
            return made
        if word in ('seq', 'choice', 'enum', 'group'):
            made = Type('seq' if word == 'group' else word, group=word == 'group')
            self.need('{')
            while not self.eat('}'):
                if self.eat('...'):
                    made.extensible = True
                    made.root = len(made.members)
                    continue
                name = self.next()
                of = None if word == 'enum' else self.type()
                made.members.append((name.rstrip('?'), of, name.endswith('?')))
            if not made.extensible:
                made.root = len(made.members)
            return made
        module, _, name = word.rpartition('.')
        return Type('ref', name=name, module=module or self.module)


class Schema:
    def __init__(self, paths):
        self.modules = {}
        for path in paths:
            self.modules[path.stem] = dict(Parser(path).definitions())
        for module, types in self.modules.items():
            for name, of in types.items():
                if of.kind != 'ref':
                    of.name, of.module = name, module

    def find(self, ref):
        of = self.modules[ref.module].get(ref.name)
        if of is None:
            sys.exit(f'{ref.module}.{ref.name} is not defined')
        return self.find(of) if of.kind == 'ref' else of


# --- ASN.1 ---------------------------------------------------------------------------------------


def asn1_bounds(bounds, unlimited):
    lower, upper, extensible = bounds
    if lower is not None and lower == upper:
        text = str(lower)
    else:
        text = f'{unlimited if lower is None else lower}..{"MAX" if upper is None else upper}'
    return text + (', ...' if extensible else '')


def asn1_size(of):
    return f' (SIZE({asn1_bounds(of.bounds, 0)}))' if of.bounds else ''


def asn1_type(of, indent):
    if of.kind == 'ref':
        return f'{of.module.upper()}-{of.name}'
    if of.kind == 'int':
        return 'INTEGER' + (f' ({asn1_bounds(of.bounds, "MIN")})' if of.bounds else '')
    if of.kind == 'octets':  # what it holds does not change its encoding
        return 'OCTET STRING' + asn1_size(of)
    if of.kind == 'bits':
        return 'BIT STRING' + asn1_size(of)
    if of.kind in STRINGS:
        alphabet = f' (FROM ("{of.alphabet}"))' if of.alphabet else ''
        return STRINGS[of.kind][0] + asn1_size(of) + alphabet
    if of.kind in OTHER_STRINGS:
        return OTHER_STRINGS[of.kind]
    if of.kind == 'list':
        size = f' (SIZE({asn1_bounds(of.bounds, 0)}))' if of.bounds else ''
        return f'SEQUENCE{size} OF {asn1_type(of.element, indent)}'
    if of.kind in ('seq', 'choice', 'enum'):
        return asn1_members(of, indent)
    return {'bool': 'BOOLEAN', 'null': 'NULL', 'oid': 'OBJECT IDENTIFIER'}[of.kind]


def asn1_lines(of, indent):
    pad = '  ' * (indent + 1)
    lines = []
    for i, (name, member, optional) in enumerate(of.members):
        if of.extensible and i == of.root:
            lines.append(f'{pad}...')
        if of.kind == 'enum':
            lines.append(f'{pad}{name}')
        elif member.group:
            lines.append(f'{pad}[[\n' + ',\n'.join(asn1_lines(member, indent + 1)) + f'\n{pad}]]')
        else:
            lines.append(f'{pad}{name} {asn1_type(member, indent + 1)}' +
                         (' OPTIONAL' if optional else ''))
    if of.extensible and of.root == len(of.members):
        lines.append(f'{pad}...')
    return lines


def asn1_members(of, indent):
    word = {'seq': 'SEQUENCE', 'choice': 'CHOICE', 'enum': 'ENUMERATED'}[of.kind]
    return word + ' {\n' + ',\n'.join(asn1_lines(of, indent)) + '\n' + '  ' * indent + '}'


def print_asn1(name, schema):
    print(f'{name} DEFINITIONS AUTOMATIC TAGS ::=\nBEGIN\n')
    for module, types in schema.modules.items():
        for type_name, of in types.items():
            print(f'{module.upper()}-{type_name} ::= {asn1_type(of, 0)}\n')
    print('END')


# --- C++ -----------------------------------------------------------------------------------------


def title(name):
    return ''.join(part[:1].upper() + part[1:] for part in name.split('-'))


def cpp_bounds(bounds, whole_numbers=False):
    lower, upper, extensible = bounds or (None if whole_numbers else 0, None, False)
    low = 'kUnlimitedBelow' if lower is None else str(lower)
    high = 'kUnlimited' if upper is None else str(upper)
    return '{' + ', '.join([low, high] + (['true'] if extensible else [])) + '}'


class Tables:
    """Numbers the types, and writes what the compiler is to see of them."""

    def __init__(self, schema, namespace):
        self.schema = schema
        self.namespace = namespace
        self.types = []      # initializers, by number
        self.members = []    # arrays of members
        self.numbers = {}    # of types that are alike, or of definitions, by what they are
        for types in schema.modules.values():
            for of in types.values():
                if of.kind != 'ref':
                    self.number(of)

    def number(self, of):
        if of.kind == 'ref':
            of = self.schema.find(of)
        key = ('definition', of.module, of.name) if of.name else (
            ('inline', id(of)) if of.members else self.likeness(of))
        if key in self.numbers:
            return self.numbers[key]
        self.numbers[key] = index = len(self.types)
        self.types.append(None)
        self.types[index] = self.initializer(of, index)
        return index

    def likeness(self, of):
        if of.element is not None:
            return (of.kind, of.bounds, 'of', self.number(of.element))
        if of.kind in ('seq', 'choice'):
            return ('inline', id(of))
        return (of.kind, of.bounds, of.alphabet)

    def initializer(self, of, index):
        name = f'"{of.name}"' if of.name else '{}'
        if of.kind in ('bool', 'null', 'oid') or of.kind in OTHER_STRINGS:
            make = {'bool': 'boolean', 'null': 'null', 'oid': 'object_identifier'}.get(
                of.kind, 'other_string')
            return f'{make}({name if of.name else ""})'
        if of.kind == 'int':
            return f'integer({name}, {cpp_bounds(of.bounds, True)})'
        if of.kind == 'octets':
            holds = f', &kTypes[{self.number(of.element)}]' if of.element else ''
            return f'octet_string({name}, {cpp_bounds(of.bounds)}{holds})'
        if of.kind == 'bits':
            return f'bit_string({name}, {cpp_bounds(of.bounds)})'
        if of.kind in STRINGS:
            known = STRINGS[of.kind][1]
            if known is None:
                return f'character_string({name}, {cpp_bounds(of.bounds)}, 65536, 65535)'
            alphabet = ''.join(sorted(of.alphabet)) or known
            text = ', "' + alphabet.replace('\\', '\\\\').replace('"', '\\"') + '"'
            if of.kind in ('ia5', 'visible', 'printable') and not of.alphabet:
                text = ''  # these take eight bits for a character, as it is
            return (f'character_string({name}, {cpp_bounds(of.bounds)}, {len(alphabet)}, '
                    f'{ord(alphabet[-1])}{text})')
        if of.kind == 'list':
            return f'sequence_of({name}, {cpp_bounds(of.bounds)}, &kTypes[{self.number(of.element)}])'
        make = {'seq': 'sequence', 'choice': 'choice', 'enum': 'enumerated'}[of.kind]
        assert of.root > 0 or of.kind == 'seq', of.name
        assert sum(optional for _, _, optional in of.members[:of.root]) <= 56, of.name
        lines = []
        for member, member_type, optional in of.members:
            kind = 'nullptr' if member_type is None else f'&kTypes[{self.number(member_type)}]'
            lines.append(f'    {{"{member}", {kind}{", true" if optional else ""}}},')
        members = 'nullptr'
        if lines:
            members = f'kMembers{index}'
            self.members.append(f'constexpr Member {members}[] = {{\n' + '\n'.join(lines) + '\n};')
        return (f'{make}({name}, {members}, {of.root}, {len(of.members)}, '
                f'{"true" if of.extensible else "false"})')

    # --- the source and the headers

    def source(self, include):
        out = ['// Generated by cmake/per_schema.py.',
               *(f'#include "{include}/{module}.schema.h"' for module in self.schema.modules), '',
               f'namespace {self.namespace} {{', 'namespace {', '', 'using namespace per;', '',
               *self.members, '', '}  // namespace', '',
               f'constinit const per::Type kTypes[{len(self.types)}] = {{']
        out += [f'    {made},' for made in self.types]
        out += ['};', '', f'}}  // namespace {self.namespace}', '']
        for module, types in self.schema.modules.items():
            defined = [of for of in types.values() if of.kind != 'ref']
            out += [f'namespace {self.outer()}::{module} {{',
                    f'constinit const per::Definition kDefinitions[{len(defined)}] = {{',
                    *(f'    {{"{of.name}", &{self.namespace}::kTypes[{self.number(of)}]}},'
                      for of in defined), '};', f'}}  // namespace {self.outer()}::{module}', '']
        return '\n'.join(out)

    def cpp_name(self, of, here):
        """How a member of type `of` is named in Field<>; inline structures are named by `here`."""
        if of.kind == 'ref':
            of = self.schema.find(of)
            return (f'{of.module}::' if of.module != self.module else '') + title(of.name)
        if of.members:
            return here
        if of.kind == 'list':
            return f'per::ListOf<{self.cpp_name(of.element, here)}>'
        if of.kind == 'octets' and of.element:
            return f'per::Holding<{self.cpp_name(of.element, here)}>'
        return 'per::Value'

    def outer(self):
        return self.namespace.rpartition('::')[0]

    def inline_structures(self, of):
        """(what it is of, itself) for every structure that is written inside a member."""
        while of.kind in ('list', 'octets') and of.element is not None:
            of = of.element
        return of if of.members and not of.name else None

    def struct(self, name, of, indent, enclosing):
        pad = '  ' * indent
        out = [f'{pad}struct {name} {{',
               f'{pad}  static constexpr const per::Type* kSchema = &{self.namespace}::kTypes[{self.number(of)}];']
        if of.kind == 'list':
            inner = self.inline_structures(of.element)
            if inner:
                out += self.struct('Item', inner, indent + 1, enclosing + [name])
            out.append(f'{pad}  using Element = {self.cpp_name(of.element, "Item")};')
        elif of.kind == 'octets' and of.element:
            out.append(f'{pad}  using Contents = {self.cpp_name(of.element, "Item")};')
        elif of.kind == 'enum':
            for i, (member, _, _) in enumerate(of.members):
                out.append(f'{pad}  static constexpr std::int64_t k{title(member)} = {i};')
        elif of.kind in ('seq', 'choice'):
            for i, (member, member_type, _) in enumerate(of.members):
                here = title(member)
                if here in enclosing + [name]:
                    here += 'Item'
                inner = self.inline_structures(member_type)
                if inner:
                    out += self.struct(here, inner, indent + 1, enclosing + [name])
                out.append(f'{pad}  static constexpr per::Field<{name}, '
                           f'{self.cpp_name(member_type, here)}, {i}> k{title(member)}{{}};')
        out.append(f'{pad}}};')
        return out

    def header(self, module):
        self.module = module
        types = self.schema.modules[module]
        out = [f'// Generated by cmake/per_schema.py from {module}.schema: names for the types in it and for their',
               '// components, as codec/per/message.h uses them.', '#pragma once', '', '#include <cstdint>', '',
               '#include "codec/per/message.h"', '',
               f'namespace {self.namespace} {{',
               f'extern const per::Type kTypes[{len(self.types)}];',
               f'}}  // namespace {self.namespace}']
        for other, others in self.schema.modules.items():
            names = sorted({of.name for of in self.references(types.values()) if of.module == other}
                           if other != module else
                           {name for name, of in others.items() if of.kind != 'ref'})
            if names:
                out += [f'namespace {self.outer()}::{other} {{',
                        *(f'struct {title(name)};' for name in names),
                        f'}}  // namespace {self.outer()}::{other}']
        defined = sum(of.kind != 'ref' for of in types.values())
        out += ['', f'namespace {self.outer()}::{module} {{', '',
                f'extern const per::Definition kDefinitions[{defined}];  // all of the file', '']
        for name, of in types.items():
            if of.kind == 'ref':
                out += [f'using {title(name)} = {self.cpp_name(of, "")};', '']
        for name, of in types.items():
            if of.kind != 'ref':
                out += self.struct(title(name), of, 0, []) + ['']
        out += [f'}}  // namespace {self.outer()}::{module}', '']
        return '\n'.join(out)

    def references(self, types):
        for of in types:
            if of is None:
                continue
            if of.kind == 'ref':
                yield self.schema.find(of)
            yield from self.references([of.element, *(member for _, member, _ in of.members)])


def main():
    mode, *rest = sys.argv[1:]
    if mode == '--asn1':
        print_asn1(rest[0], Schema(map(Path, rest[1:])))
        return
    if mode != '--cpp':
        sys.exit(__doc__)
    directory, namespace, include, *files = rest
    schema = Schema(list(map(Path, files)))
    tables = Tables(schema, namespace)
    Path(directory, 'schema.cc').write_text(tables.source(include))
    for module in schema.modules:
        Path(directory, f'{module}.schema.h').write_text(tables.header(module))


if __name__ == '__main__':
    main()
