#!/usr/bin/python3
"""Compares how we read a capture's H.323 messages with how tshark does, value by value.

  tshark_judge.py PER_READING FILE.pcap...

Every value that we read has to be the next one that tshark shows, by name and content; what tshark shows
and we do not has to be one of its own remarks. Ends with 1 if anything differs.
"""

import subprocess
import sys
import xml.etree.ElementTree as Tree
from datetime import datetime, timezone

FAMILIES = ('h225', 'h245', 'h235', 'h460')
# how tshark spells some of the names
SPELLINGS = {
    'h245Tunneling': ['h245Tunnelling'],
    'dialedDigits': ['dialledDigits'],
    'standard': ['standardOid'],
    'ip': ['ipV4', 'ipV6', 'src_route_ipV4', 'h245Ip', 'h245Ip6'],
    'language': ['displayName_language'],
    'port': ['ipV4_port', 'ipV4_src_port', 'h245IpxPort', 'ipV6_port', 'src_route_ipV4_port', 'ipx_port', 'h245IpPort', 'h245Ip6port'],
    'network': ['ip4_network', 'ip6_network'],
    'provisionalRespToH245Tunneling': ['provisionalRespToH245Tunnelling'],
    'GenericData': ['FeatureDescriptor'],
    'MultimediaSystemControlMessage': ['pdu_type'],
}
# what it shows beside the values
REMARKS = {'Manufacturer', 'FastStart_item', 'H245Control_item', 'ras.reqframe', 'ras.rspframe',
           'ras.timedelta'}


class Shown:
    def __init__(self, element):
        self.family, _, self.name = element.get('name').partition('.')
        self.show = element.get('show', '')
        self.value = element.get('value', '')


def shown_fields(element):
    for child in element:
        name = child.get('name', '')
        family, _, rest = name.partition('.')
        if child.tag == 'field' and family in FAMILIES and rest and child.get('hide') != 'yes':
            yield Shown(child)
        yield from shown_fields(child)


def tshark_messages(path):
    pdml = subprocess.run(['tshark', '-r', path, '-T', 'pdml'], check=True, capture_output=True)
    for packet in Tree.fromstring(pdml.stdout):
        for proto in packet:
            if proto.tag == 'proto' and proto.get('name') in ('h225', 'h245'):
                yield list(shown_fields(proto))


def our_messages(tool, path):
    lines = subprocess.run([tool, path], check=True, capture_output=True, text=True).stdout
    messages = []
    for line in lines.split('\n'):
        if line.startswith('message '):
            messages.append([])
        elif line:
            messages[-1].append(line.split('\t'))
    return messages


def names(name, type_name):
    spellings = {name, type_name, name[:1].upper() + name[1:],
                 *SPELLINGS.get(name, []), *SPELLINGS.get(type_name, [])} - {''}
    return {spelt.replace('-', '_') + suffix for spelt in spellings for suffix in ('', '_element')}


def seconds(shown):
    moment = datetime.strptime(shown.split('.')[0], '%b %d, %Y %H:%M:%S')
    return int(moment.replace(tzinfo=timezone.utc).timestamp())


def agrees(shown, kind, value, octets):
    if kind in ('null', 'sequence', 'bits'):  # of bits, not all are shown
        return True
    if kind == 'number' and shown.show.endswith(' UTC'):
        return seconds(shown.show) == int(value)
    if kind in ('number', 'choice', 'list', 'oid'):
        return {'True': '1', 'False': '0'}.get(shown.show, shown.show) == value
    if kind == 'packed':
        return shown.show == value
    return shown.value == octets


def compare(ours, theirs):
    """The number of values that agree, or a sentence that says what does not."""
    at = 0
    for name, type_name, kind, value, octets in ours:
        if kind == 'bits' and not octets:
            continue  # not always shown
        if kind == 'octets' and name.endswith('_item') and name[:-5] in ('fastStart', 'h245Control', 'parallelH245Control'):
            continue  # what it holds is compared
        wanted = names(name, type_name)
        while at < len(theirs) and theirs[at].name not in wanted:
            if theirs[at].name not in REMARKS:
                return f'{theirs[at].name} {theirs[at].show!r} is shown where we have {name} ({type_name}, {kind}) {value}'
            at += 1
        if at == len(theirs):
            return f'{name} {value} is not shown'
        if not agrees(theirs[at], kind, value, octets):
            return f'{name} is {theirs[at].show!r} ({theirs[at].value}), we have {value!r} ({octets})'
        at += 1
    left = [shown.name for shown in theirs[at:] if shown.name not in REMARKS]
    return f'{left} are shown at the end' if left else len(ours)


def main():
    tool, *paths = sys.argv[1:]
    values = messages = wrong = 0
    for path in paths:
        ours = our_messages(tool, path)
        theirs = list(tshark_messages(path))
        if len(ours) != len(theirs):
            print(f'{path}: we read {len(ours)} messages, tshark {len(theirs)}')
            wrong += 1
            continue
        for i, (our, their) in enumerate(zip(ours, theirs)):
            verdict = compare(our, their)
            if isinstance(verdict, int):
                values += verdict
            else:
                print(f'{path}: message {i + 1}: {verdict}')
                wrong += 1
            messages += 1
    print(f'{messages} messages, {values} values agree, {wrong} differ')
    sys.exit(1 if wrong or not messages else 0)


main()
