"""Small templates, one feature each, and the variables that they see."""

VARIABLES = {
    "s": "Hello World",
    "n": 7,
    "f": 2.5,
    "l": [3, 1, 2],
    "e": [],
    "d": {"b": 1, "a": 2, "C": 3},
    "u": "h\u00e9llo w\u00f6rld \U0001f600 \u201cq\u201d \u00c9",
    "ml": "one\ntwo\n\n  three\n",
    "no": None,
    "yes": True,
    "off": False,
    "mixed": [1, "a", None, True, 2.0, [1, 2], {"k": "v'w"}],
    "users": [
        {"name": "ann", "age": 30, "address": {"city": "Oslo"}, "tags": ["x", "y"], "active": True},
        {"name": "Bob", "age": 25, "address": {"city": "Bern"}, "tags": [], "active": False},
        {"name": "cid", "age": 30, "address": {"city": "oslo"}, "tags": ["z"]},
    ],
    "tree": [{"v": 1, "c": [{"v": 2, "c": []}, {"v": 3, "c": [{"v": 4, "c": []}]}]}, {"v": 5, "c": []}],
    "keyed": {"items": [1, 2], "get": "g", "name": "nm", "keys": "kk"},
    "ws": " \t x y \n ",
}

_EXPRESSIONS = r"""
1 + 2 * 3
(1 + 2) * 3
7 / 2
6 / 2
7 // 2
-7 // 2
7 % 3
-7 % 3
7 % -3
7.5 // 2
-7.5 // 2
7.5 % 2
-7.5 % 2
2 ** 10
2 ** -1
2 ** 3 ** 2
-2 ** 2
10 - 3 - 2
2 * 3 % 4
1 / 0
1 // 0
1 % 0
1.0 / 0
9223372036854775807 - 1
1e3
1.5e-7
1e16
1e15
123456789.123
0.1 + 0.2
1_000
0x1f
0b101
0o17
1.0
100.0
1e22
1e-4
1e-5
0.5
2.5e10
1 ~ 2 + 3
1 + 2 ~ 3
'a' ~ 1 ~ none ~ true ~ undefinedname ~ 1.0
'a' + 'b'
'a' + 1
1 + 'a'
'ab' * 3
3 * 'ab'
[1] * 2
[1] + [2]
(1,) + (2,)
[1] + (2,)
true + 1
-true
+5
- 5
not 1
not not 1
not true and false
true or false and false
1 or 2
0 or 2
0 and 2
1 and 2
'' or 'x'
none or 'x'
e or 'x'
1 < 2 < 3
1 < 3 < 2
1 < 2 == true
3 > 2 > 1
1 == 1.0
1 == true
'1' == 1
[1, 2] == [1, 2]
[1, 2] == (1, 2)
{'a': 1} == {'a': 1.0}
{'a': 1, 'b': 2} == {'b': 2, 'a': 1}
none == undefinedname
undefinedname == undefinedother
none == false
'a' < 'b'
'a' < 1
[1, 2] < [1, 3]
[1] < [1, 2]
none < 1
'b' >= 'a'
1 != 2
1 in [1, 2]
1 not in [1, 2]
3 in l
'a' in 'abc'
'ell' in s
'a' in d
'z' not in d
1 in 'abc'
1 in none
1 in undefinedname
undefinedname in [1]
not 1 in [2]
'x' if 1 else 'y'
'x' if 0 else 'y'
'x' if 0
('x' if 0) is undefined
1 if 0 else 2 if 0 else 3
1 if 1 if 0 else 1
'a' 'b'
'a\nb'
'a\\b\'c\"'
"q\tw\x41\u00e9\U0001F600\101"
'\d'
'a\
b'
[1, 'a', none, true, 1.5]
['it\'s', "say \"hi\"", 'both\'"']
['é', '\u200b', '\x07', '\n\t\\']
[u]
(1, 2)
(1,)
()
1, 2
[1, 2,]
{'a': 1, 'b': [1, {'c': none}]}
{}
{'a': 1,}
{1: 'x', true: 'y'}
{[1]: 2}
mixed
users[0]
s[0]
s[-1]
s[99]
s[1:4]
s[::-1]
s[::2]
s[-3:]
s[:-3]
s[5:2]
s[10:2:-2]
u[1:4]
u[-3]
u[::-1]
l[0]
l[-1]
l[5]
l[5] is defined
l[1:]
l[:1]
l[::-1]
l[-2:]
l[::0]
l['x']
l[1.0]
d['a']
d.a
d['zz']
d.zz
d.zz.y
d['zz']['y']
d[1:2]
no.x
no['x']
no[0]
no[1:]
n.x
undefinedname
undefinedname.x
undefinedname[0]
undefinedname[1:]
undefinedname + 1
undefinedname()
none
true
True
False
None
yes
s.upper()
s.lower().title()
s.x()
s.x
keyed.items
keyed['items']
keyed.get('name')
keyed.name
keyed['get']
keyed['keys']
keyed.zip is defined
d.items()
d.items() | list
d.keys()
d.keys() | list
d.values() | list | sum
d.values()
d.get('a')
d.get('q')
d.get('q', 5)
d.get('q', default=5)
d.get()
d.copy()
d.update({'x': 1})
l.append(4)
l.index(1)
l.index(9)
l.count(1)
d | length
l.0
users.0.name
users[0]['name']
users[0].address.city
users[1].active is defined
users[2].active is defined
range(3)
range(1, 4) | list
range(5, 0, -2) | list
range(0) | list
range(3)[1]
range(3)[-1]
range(10)[2:4] | list
range(3) | length
range(2) == range(2)
range('a')
range(1000000)
range(1, 2, 0)
dict(a=1, b=2)
dict({'a': 1}, b=3)
dict([('x', 1), ('y', 2)])
namespace(a=1).a
namespace({'a': 2}).a
namespace(a=1).b
namespace(a=1)
raise_exception('stop')
raise_exception()
strftime_now('%d %b %Y')
strftime_now('%Y-%m-%d %H:%M:%S %A %j')
strftime_now('')
' a b '.strip()
'xxaxx'.strip('x')
'xyaxy'.lstrip('xy')
'xyaxy'.rstrip('yx')
ws.strip()
ws.lstrip()
ws.rstrip()
'\u00a0\u3000a\u2003'.strip()
'a,b,,c'.split(',')
'a,b,,c'.split(',', 1)
' a  b c '.split()
' a  b c '.split(none, 1)
' a  b c '.split(maxsplit=1)
''.split()
''.split(',')
'a'.split('')
'a,b,c'.rsplit(',', 1)
' a  b c '.rsplit(none, 1)
'a</think>b'.split('</think>')[-1]
'a</think>b'.split('</think>')[0]
ml.splitlines()
ml.splitlines(true)
'a\r\nb\rc\x0bd\u2028e'.splitlines()
s.startswith('Hell')
s.startswith(('x', 'He'))
s.startswith('World', 6)
s.endswith('ld')
s.endswith('Hello', 0, 5)
s.startswith(1)
s.replace('l', 'L')
s.replace('l', 'L', 1)
'abc'.replace('', '-')
'abc'.replace('', '-', 2)
'abc'.replace('', '-', 4)
''.replace('', 'x')
s.find('o')
s.find('z')
s.find('o', 5)
u.find('w')
s.rfind('o')
s.index('W')
s.index('z')
s.count('l')
s.count('')
'-'.join(['a', 'b'])
'-'.join([1, 2])
'-'.join('abc')
','.join(d)
'hello world'.title()
"they're bill's".title()
'hELLO'.capitalize()
'éa'.capitalize()
''.capitalize()
'aBc'.swapcase()
u.upper()
u.lower()
u.title()
'straße'.upper()
'12'.isdigit()
'1a'.isdigit()
''.isdigit()
'ab'.isalpha()
'a1'.isalnum()
'a_1'.isalnum()
' \n'.isspace()
'ab'.islower()
'AB1'.isupper()
'ab'.center(7)
'ab'.center(7, '*')
'abc'.center(6, '*')
'ab'.ljust(4) ~ '|'
'ab'.rjust(4, '.')
'7'.zfill(3)
'-7'.zfill(4)
'a=b=c'.partition('=')
'a=b=c'.rpartition('=')
'a'.partition('=')
'abc'.removeprefix('ab')
'abc'.removesuffix('bc')
'{} {}'.format('a', 1)
'{1} {0}'.format('a', 1)
'{x}-{y!r}'.format(x=1, y='q')
'{:.2f}|{:>5}|{:<5}|{:^5}|{:05d}'.format(3.14159, 'a', 'b', 'c', 42)
'{{}}'.format()
'{}'.format()
'{0.city} {0[city]}'.format(users[0].address)
'%s and %s' % ('a', 1)
'%d%%' % 5
'%.2f' % 3.14159
'%5s|%-5s|%05d|%x|%X|%o' % ('a', 'b', 42, 255, 255, 8)
'%s' % [1, 2]
'%r' % 'a'
'%(a)s' % d
'%s %s' % ('a',)
'%s' % ('a', 'b')
'%d' % 'a'
'%d' % 3.99
'% 4 r' % 5
'% 4d|%+d|%+5d|% d' % (5, 5, -5, 7)
'%#x|%o|%08.3f|%+.1e|%-8.2g|' % (255, 8, 2.5, 12345.678, 0.00012)
'%#s|%05s|% s|%+s|%.2s|%6.2r|%-6.1s|' % ('ab', 'ab', 'ab', 'ab', 'abcd', 'abcd', 'xy')
'%5%|%%' % ()
'%.3d|%5.3d|%-5.3d|' % (7, 7, 7)
'%.f|%#.0f|%.' % (2.5, 2.5)
'%.f|%#.0f' % (2.5, 2.5)
'%1$d' % 5
'%2.2.2f' % 5
'% 4 x)s' | format(x=5)
'%(x)4d|%(x)-4d|' | format(x=5)
'%e|%g' % (1234.5, 0.0001)
s | upper
s | lower
'hello-world (foo) [bar] <baz>' | title
'hELLO' | capitalize
5 | upper
ws | trim
'xxaxx' | trim('x')
5 | trim
none | trim
undefinedname | trim
undefinedname | upper
s | length
u | length
l | count
d | length
5 | length
none | length
undefinedname | length
l | join
l | join(', ')
l | join(d='-')
users | join(', ', attribute='name')
users | join(', ', 'address.city')
'abc' | join('.')
d | join(',')
mixed | join(';')
l | first
l | last
e | first
e | last
e | first is defined
'abc' | first
'abc' | last
d | first
d | last
undefinedname | first
undefinedname | last
5 | first
s | replace('l', 'L')
s | replace('l', 'L', 2)
5 | replace(5, 6)
s | replace('l')
undefinedname | default
undefinedname | default('x')
undefinedname | d('x')
none | default('x')
none | default('x', true)
'' | default('x', boolean=true)
0 | default(1)
undefinedname.x | default('y')
d.q | default('y')
5 | string
1.0 | string
none | string
l | string
'abc' | list
d | list
undefinedname | list
5 | list
(1, 2) | list
d | items | list
undefinedname | items | list
5 | items
d | dictsort
d | dictsort(true)
d | dictsort(by='value')
d | dictsort(reverse=true)
d | dictsort(false, 'value', true)
d | dictsort(by='x')
5 | dictsort
l | map('string') | list
l | map('string') | join('+')
l | map('upper') | list
['a', 'b'] | map('upper') | list
users | map(attribute='name') | list
users | map(attribute='address.city') | join(',')
users | map(attribute='tags.0') | list
users | map(attribute='active') | list
users | map(attribute='active', default='d') | list
users | map('attr', 'name') | list
['a b', 'c'] | map('replace', ' ', '_') | list
[' a '] | map('trim') | first
l | map('nofilter') | list
l | map | list
l | map(attribute='x', foo=1) | list
undefinedname | map('upper') | list
none | map('upper') | list
(l | map('string')) | length
(l | map('string'))[0]
(l | map('string')) is iterable
(l | map('string')) is sequence
1 if (e | map('string')) else 2
1 if (l | select('gt', 99)) else 2
l | select('odd') | list
l | select | list
[0, 1, '', 'a', none] | select | list
[0, 1, '', 'a', none] | reject | list
l | reject('odd') | list
l | select('>', 1) | list
l | select('divisibleby', 3) | list
l | select('in', [1, 2]) | list
l | select('notest') | list
users | selectattr('active') | map(attribute='name') | list
users | selectattr('active', 'defined') | map(attribute='name') | list
users | selectattr('age', 'eq', 30) | map(attribute='name') | list
users | selectattr('age', 'equalto', 25) | list | length
users | selectattr('age', '<', 30) | map(attribute='name') | list
users | rejectattr('active') | map(attribute='name') | list
users | rejectattr('age', 'equalto', 30) | map(attribute='name') | list
users | selectattr('address.city', '==', 'Bern') | map(attribute='name') | first
users | selectattr() | list
[1, 1, 2, 'a', 'A'] | unique | list
[1, 1, 2, 'a', 'A'] | unique(true) | list
users | unique(attribute='age') | map(attribute='name') | list
l | sort
l | sort(reverse=true)
l | sort | first
['b', 'A', 'c'] | sort
['b', 'A', 'c'] | sort(case_sensitive=true)
users | sort(attribute='age') | map(attribute='name') | list
users | sort(attribute='age,name') | map(attribute='name') | list
users | sort(attribute='age', reverse=true) | map(attribute='name') | list
[1, 'a'] | sort
d | sort
l | reverse | list
'abc' | reverse
d | reverse | list
5 | reverse
l | min
l | max
e | min
e | max is undefined
['b', 'A'] | min
users | max(attribute='age') | string | length > 10
users | min(attribute='age') | attr('name')
l | sum
e | sum
users | sum(attribute='age')
l | sum(start=10)
['a'] | sum
'5' | int
'5.7' | int
'x' | int
'x' | int(3)
'0x1f' | int(base=16)
'11' | int(0, 2)
' 42 ' | int
'-3' | int
'1_000' | int
5.9 | int
-5.9 | int
none | int
none | int(1)
true | int
l | int
undefinedname | int
'1e3' | int
'inf' | int(7)
'5.5' | float
'x' | float
'x' | float(1.5)
5 | float
'1e3' | float
none | float
-5 | abs
-5.5 | abs
'a' | abs
2.5 | round
3.5 | round
2.567 | round(2)
2.5 | round(0, 'ceil')
2.5 | round(method='floor')
2.123 | round(1, 'ceil')
5 | round
1234 | round(-2)
1250.0 | round(-2)
2.675 | round(2)
'a' | round
2.5 | round(method='x')
2.5 | round | int
ml | indent
ml | indent(2)
ml | indent(2, true)
ml | indent(2, first=true, blank=true)
ml | indent('> ')
ml | indent(width=1)
5 | indent
'' | indent
'<a>&"\'' | escape
'<a>' | e
'<a>' | safe
('<a>' | safe) + '<b>'
'<b>' + ('<a>' | safe)
('<a>' | escape | escape)
('<a>' | e | string)
'<x>' ~ ('<a>' | safe)
['<a>' | safe]
'<a>' | forceescape
('<a>' | safe) is escaped
l | batch(2) | list
l | batch(2, 'x') | list
l | slice(2) | list
l | slice(2, 'x') | list
range(7) | slice(3) | list
'foo bar  baz-q' | wordcount
u | wordcount
'ab' | center(6)
'foo bar baz qux' | truncate(9)
'foo bar baz qux' | truncate(9, true)
'foo bar baz qux' | truncate(9, true, '', 0)
'foo bar' | truncate(5, leeway=0)
'%s-%s' | format('a', 1)
'%(x)s' | format(x=5)
'%s' | format(1, x=2)
users | groupby('age') | map('first') | list
users | groupby('address.city') | map('last') | map('length') | list
users[0] | attr('name') is defined
l | tojson
d | tojson
mixed | tojson
u | tojson
u | tojson(ensure_ascii=true)
'<&>\'"\\/\n\t\r\x08\x0c\x01\x7f' | tojson
d | tojson(indent=2)
mixed | tojson(indent=4)
[] | tojson(indent=2)
{} | tojson(indent=2)
[[], {}, [[]]] | tojson(indent=1)
d | tojson(indent='\t')
d | tojson(separators=(',', ':'))
d | tojson(indent=2, separators=(',', ' = '))
d | tojson(sort_keys=true)
{1: 2, true: 3, none: 4, 1.5: 5} | tojson
1e16 | tojson
1.0 | tojson
0.1 | tojson
none | tojson
true | tojson
(1, 2) | tojson
undefinedname | tojson
(l | map('string')) | tojson
range(3) | tojson
d.items() | tojson
s | nofilter
1 is odd
2 is even
2 is odd
6 is divisibleby 3
6 is divisibleby(4)
6 is divisibleby 0
'a' is odd
1.0 is odd
s is defined
undefinedname is defined
undefinedname is not defined
undefinedname is undefined
d.q is defined
no is none
no is not none
none is none
s is string
n is string
n is number
f is number
yes is number
n is integer
yes is integer
f is float
n is float
yes is boolean
n is boolean
yes is true
n is true
off is false
no is false
d is mapping
l is mapping
l is iterable
s is iterable
n is iterable
d is iterable
undefinedname is iterable
no is iterable
l is sequence
s is sequence
d is sequence
n is sequence
range(2) is sequence
d.items() is sequence
undefinedname is sequence
range is callable
s is callable
s.upper is callable
undefinedname is callable
'abc' is lower
'aBc' is lower
'123' is lower
'ABC1' is upper
1 is upper
n is sameas n
no is sameas none
l is sameas l
1 is sameas true
1 is in [1, 2]
'a' is in 'abc'
3 is not in [1, 2]
1 is eq 1
1 is equalto 2
1 is ne 2
1 is lt 2
1 is lessthan(2)
2 is gt 1
2 is greaterthan 3
1 is le 1
1 is ge 2
'upper' is filter
'nofilter' is filter
'odd' is test
1 is notest
not s is string
s is string and n is number
s is string == true
1 is odd is true
n is odd and n > 3
'a' if n is odd else 'b'
-1 | abs
(-1) | abs
1 + -1 | abs
'a' ~ 'b' | upper
('a' ~ 'b') | upper
not s | length
s | length > 3
s | upper | lower | title
[1, 2, 3][1]
{'a': 1}['a']
{'a': 1}.a
{'a': {'b': 2}}.a.b
'abc'[1]
(1, 2)[0]
'%s'|format('x')|upper
s.split(' ')[0].lower()
l | length * 2
l|length*2
2 * l | length
[] is defined
x.y.z is defined
users | length > 2 and users[0].name == 'ann'
1.5 | int + 1
s.__class__
s._x
d.__len__
''.__class__.__mro__
loop is defined
cycler('a', 'b').next()
joiner() is callable
01
1.
.5
1 +
(1
[1
{'a': 
'abc
a b
1 2
@
s |
s | 5
s is
s.
s[
s[]
s[1
f(
range(1
range(*[1, 4]) | list
dict(**{'a': 1})
dict(*[{'z': 1}], **{'a': 1})
s.replace(*['l', 'L'])
range(1, *[4]) | list
range(a=1)
s.upper(1)
s.replace(old='l', new='L')
d.get('a', 1, 2)
loop.index
"""

_STATEMENTS = [
    "",
    "plain",
    "a\n",
    "a\n\n",
    "a\r\nb\rc\n",
    "{",
    "{ {",
    "}}",
    "%}",
    "{{ s }}",
    "{{s}}",
    "{{- s -}}",
    " a {{- s }} b",
    " a {{ s -}} b",
    " a {{- s -}} \n b",
    "a\n  {{ s }}\nb",
    "a\n  {%- if 1 %}\nx\n  {%- endif %}\nb",
    "a\n  {% if 1 %}\n  x\n  {% endif %}\nb",
    "a\n  {%+ if 1 %}\n  x\n  {%+ endif %}\nb",
    "a {% if 1 %}\nx\n {% endif %} b",
    "{% if 1 %} x {% endif %}\n\ny",
    "{% if 1 -%} x {%- endif %}\ny",
    "{% if 1 +%}\nx{% endif +%}\ny",
    "  {% if 1 %}x{% endif %}",
    "  {# c #}x",
    "a  {# c #}  b",
    "a\n  {# c #}\nb",
    "a\n  {#- c -#}\n  b",
    "a {#- c #} b",
    "{# a {{ b }} {% c %} #}x",
    "{# multi\nline #}\nx",
    "{#-#}x",
    "{##}x",
    "a {#+ c +#}\nb",
    "{# open",
    "{{ '{{' }} {{ '%}' }} {{ '}}' }}",
    "{{ {'a': {'b': 1}} }}",
    "{{ {'a': {'b': 1}}['a'] }}",
    "{{ {'a': 1}}}",
    "{% raw %}{{ x }} {% y %}{% endraw %}",
    "{% raw %}\n x\n{% endraw %}\ny",
    "{%- raw -%}  {{ x }}  {%- endraw -%}  y",
    "a\n  {% raw %} b\n  {% endraw %}\nc",
    "{% raw %}x",
    "{% if n %}a{% elif s %}b{% else %}c{% endif %}",
    "{% if 0 %}a{% elif 0 %}b{% elif 1 %}d{% else %}c{% endif %}",
    "{% if 0 %}a{% else %}c{% endif %}",
    "{% if 0 %}a{% endif %}|",
    "{% if 1 %}",
    "{% endif %}",
    "{% if %}x{% endif %}",
    "{% foo %}",
    "{% if 1 %}{% endfor %}",
    "{% for x in l %}{{ x }},{% endfor %}",
    "{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }};{% endfor %}",
    "{% for x in l %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }};{% endfor %}",
    "{% for x in l %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }};{% endfor %}",
    "{% for x in l %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for x in [1,1,2,2,1] %}{% if loop.changed(x) %}{{ x }}{% endif %}{% endfor %}",
    "{% for x in l %}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}",
    "{% for x in e %}x{% else %}none{% endfor %}",
    "{% for x in l if x > 1 %}{{ loop.index }}:{{ x }}/{{ loop.length }} {% endfor %}",
    "{% for x in l if x > 9 %}x{% else %}none{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k, v in d | dictsort %}{{ k }}={{ v }};{% endfor %}",
    "{% for k, v in d|items %}{{ k }}={{ v }}{{ ', ' if not loop.last }}{% endfor %}",
    "{% for k in d %}{{ k }}{% endfor %}",
    "{% for c in 'abc' %}{{ c }}.{% endfor %}",
    "{% for c in u %}{{ c }}.{% endfor %}",
    "{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for a, b in [(1, 2, 3)] %}x{% endfor %}",
    "{% for x in 5 %}x{% endfor %}",
    "{% for x in none %}x{% endfor %}",
    "{% for x in undefinedname %}x{% else %}empty{% endfor %}",
    "{% for x in undefinedname.y %}x{% endfor %}",
    "{% for x in range(3) %}{% for y in range(2) %}{{ loop.index }}{{ x }}{{ y }} {% endfor %}{{ loop.index }};{% endfor %}",
    "{% for x in l %}{% set outer = loop %}{% for y in [1] %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}",
    "{% for x in [1,2,3,4] %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 4 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in l %}{% break %}{% else %}e{% endfor %}|",
    "{% break %}",
    "{% continue %}",
    "{% for x in l %}{% set y %}{% break %}{% endset %}{% endfor %}|",
    "{% for x in l %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}",
    "{% for x in tree recursive %}{{ x.v }}{% if x.c %}({{ loop(x.c) }}){% endif %}{% endfor %}",
    "{% for x in tree recursive %}{{ loop.depth }}{{ x.v }}{{ loop(x.c) }}{% endfor %}",
    "{% for x in tree %}{{ loop(x.c) }}{% endfor %}",
    "{% for x in 1, 2, 3 %}{{ x }}{% endfor %}",
    "{% for x in l %}{% endfor %}{{ x is defined }}",
    "{% for x in l %}{% set y = x %}{% endfor %}{{ y is defined }}",
    "{% set y = 0 %}{% for x in l %}{% set y = y + x %}{{ y }},{% endfor %}{{ y }}",
    "{% set ns = namespace(y=0) %}{% for x in l %}{% set ns.y = ns.y + x %}{% endfor %}{{ ns.y }}",
    "{% set ns = namespace() %}{% set ns.a, ns.b = 1, 2 %}{{ ns.a }}{{ ns.b }}",
    "{% set d.x = 1 %}",
    "{% set nothing.x = 1 %}",
    "{% for x in l %}{% if x == 3 %}{% set z = 1 %}{% endif %}{{ z is defined }}{% endfor %}",
    "{% set x = 1 %}{{ x }}",
    "{% set x = 1, 2 %}{{ x }}",
    "{% set x, y = 1, 2 %}{{ x }}{{ y }}",
    "{% set x, y = [1] %}{{ x }}",
    "{% set (x, y) = (1, 2) %}{{ x }}{{ y }}",
    "{% set x %}a {{ n }} b{% endset %}{{ x }}|{{ x | length }}",
    "{% set x | upper %}a{{ s }}{% endset %}{{ x }}",
    "{% set x | replace('a', 'b') | upper %}a{{ s }}{% endset %}{{ x }}",
    "{% set x %}{% set y = 1 %}{% endset %}{{ y is defined }}",
    "{% set ns = namespace() %}{% set ns.x %}abc{% endset %}{{ ns.x }}",
    "{% if 1 %}{% set x = 5 %}{% endif %}{{ x }}",
    "{% if 0 %}{% set x = 5 %}{% endif %}{{ x is defined }}",
    "{% set s = s ~ '!' %}{{ s }}",
    "{% set true = 1 %}",
    "{% set 1 = 2 %}",
    "{% set x = %}",
    "{% set x = 'a' if n > 5 else 'b' %}{{ x }}",
    "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}",
    "{% set a = 5 %}{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}",
    "{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q is defined }}",
    "{% macro m() %}x{% endmacro %}{{ m() }}{{ m() }}",
    "{% macro m(a, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(b=5, a=4) }}",
    "{% macro m(a) %}[{{ a }}]{{ a is defined }}{% endmacro %}{{ m() }}",
    "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}",
    "{% macro m(a) %}{% endmacro %}{{ m(b=2) }}",
    "{% macro m(a=1, b) %}{% endmacro %}",
    "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}",
    "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}",
    "{% macro m() %}{{ s }}{{ later }}{% endmacro %}{% set later = 'L' %}{{ m() }}",
    "{% set x = 1 %}{% macro m() %}{% set x = 2 %}{{ x }}{% endmacro %}{{ m() }}{{ x }}",
    "{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{% macro m() %}a{% endmacro %}{{ m() | upper }}{{ m() ~ 'b' }}{{ m() is string }}{{ m.name }}",
    "{% macro m() -%}\n  a\n{%- endmacro %}{{ m() }}",
    "{% for x in l %}{{ m(x) }}{% endfor %}{% macro m(x) %}<{{ x }}>{% endmacro %}",
    "{% for x in l %}{% macro m() %}<{{ x }}>{% endmacro %}{{ m() }}{% endfor %}",
    "{% macro m() %}{{ loop is defined }}{% endmacro %}{% for x in l %}{{ m() }}{% endfor %}",
    "{% macro box(t) %}[{{ t }}:{{ caller() }}]{% endmacro %}{% call box('a') %}body {{ n }}{% endcall %}",
    "{% macro each(xs) %}{% for x in xs %}{{ caller(x) }}{% endfor %}{% endmacro %}{% call(y) each(l) %}<{{ y }}>{% endcall %}",
    "{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}",
    "{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}",
    "{% call 5 %}{% endcall %}",
    "{% filter upper %}abc {{ s }}{% endfilter %}",
    "{% filter upper | replace('A', 'b') %}abc{% endfilter %}",
    "{% filter indent(2) %}a\nb{% endfilter %}",
    "{% filter nofilter %}a{% endfilter %}",
    "{% generation %}abc{{ n }}{% endgeneration %}|",
    "{% for x in l %}\n  {%- generation %}\n{{ x }}\n  {%- endgeneration %}\n{% endfor %}",
    "{% block a %}x{{ n }}{% endblock %}y",
    "{% block a %}x{% endblock a %}y",
    "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.reset() }}{{ c.next() }}",
    "{% set j = joiner() %}{% for x in l %}{{ j() }}{{ x }}{% endfor %}",
    "{% set j = joiner('|') %}{% for x in l %}{{ j() }}{{ x }}{% endfor %}",
    "{% set it = l | map('string') %}{{ it | first }}{{ it | list }}{{ it | list }}",
    "{% set it = l | select('odd') %}{% for x in it %}{{ x }}{{ loop.last }}{% endfor %}",
    "{% for x in l | reverse %}{{ x }}{% endfor %}",
    "{% for x in l[::-1] %}{{ x }}{% endfor %}",
    "{% for x in l[1:] %}{{ x }}{% endfor %}",
    "{% for x in l | sort(reverse=true) %}{{ loop.index }}{{ x }}{% endfor %}",
    "{% for u in users %}{{ u.name }}{{ ' (%s)' % u.age if u.active }}\n{% endfor %}",
    "{% for m in users if m.active is defined and m.active %}{{ m.name }}{% endfor %}",
    "{%- for x in l -%}\n  {{ x }}\n{%- endfor -%}",
    "{%- for x in l %}\n{{ x }}\n{%- endfor %}\n",
    "{% for x in l %}\n{{ x }}\n{% endfor %}\n",
    "\n\n{% if 1 %}\n\nx\n\n{% endif %}\n\n",
    "{{ s }}\n{{ n }}\n",
    "{{ s }}\n\n",
    "x\n{%- set y = 1 -%}\n z",
    "x\n{% set y = 1 %}\n z",
    "x{% set y = 1 %}\n z",
    "\t {% set y = 1 %} z",
    "{%if 1%}a{%endif%}",
    "{%-if 1-%} a {%-endif-%}",
    "{% if 1: %}a{% endif %}",
    "{{ s\n}}x{{\nn }}",
    "{{ undefinedname.a }}",
    "{{ raise_exception('bad ' ~ n) }}",
    "{% if undefinedname %}a{% else %}b{% endif %}",
    "{% if not undefinedname %}a{% endif %}",
    "{% do l.append(1) %}",
    "{% include 'x' %}",
    "{% extends 'x' %}",
    "{% set messages = users[1:] %}{% for m in messages %}{{ m.name }}{% endfor %}",
    "{% set x = {'a': [1, 2]} %}{{ x.a[1] }}{{ x['a'] | join }}",
    "{% set x = [] %}{% for i in l %}{% set x = x + [i] %}{% endfor %}{{ x }}",
    "{% set ns = namespace(x=[]) %}{% for i in l %}{% set ns.x = ns.x + [i * 2] %}{% endfor %}{{ ns.x }}",
    "{% set ns = namespace(found=false) %}{% for i in l %}{% if i == 1 %}{% set ns.found = true %}{% endif %}{% endfor %}{{ ns.found }}",
    "{% if (n % 2 == 0) != off %}a{% else %}b{% endif %}",
    "{% if 'a' in d and d.a is not none and d['a'] > 1 %}y{% endif %}",
    "{{ '\\n' }}|{{ \"\\n\" }}",
    "{{ 'a' if s is defined else 'b' }}{{ 'c' if zz is defined else 'd' }}",
    "a{{ '' }}b{{ none }}c{{ [] }}",
    "{{ s }}{# c #}{{ n }}",
    "{{ loop }}",
    "{%- macro a(x) %}\n{%- if x %}{{ x }}{% endif %}\n{%- endmacro %}\nT{{ a(1) }}E",
    "{% set a = 1 %}{% set b = a + 1 %}{{ a }}{{ b }}",
    "{% set loop = 5 %}{{ loop }}",
    "{% for loop in l %}{% endfor %}",
    "{{ 1;2 }}",
    "{{ }}",
    "{{ s }",
    "{{ s",
    "{% if 1 %}a{% else %}b{% else %}c{% endif %}",
    "{% set é = 1 %}{{ é }}",
    "é {{ 'ü' }} 😀{%- if 1 %} ñ{% endif %}",
    "\u00a0{%- if 1 -%}\u00a0x\u2003{%- endif %}",
    "{% for a in [1] %}{% for b in [2] %}{% set c = a + b %}{{ c }}{% endfor %}{{ c is defined }}{% endfor %}",
    "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}",
    "{% macro m(x) %}{% for i in x %}{{ i }}{% if not loop.last %},{% endif %}{% endfor %}{% endmacro %}{{ m([1,2]) }}{{ m('ab') }}",
]

SNIPPETS = ["{{ " + line + " }}" for line in _EXPRESSIONS.strip("\n").replace("\\\nb'", "\\\0b'").split("\n") if line]
SNIPPETS = [text.replace("\0", "\n") for text in SNIPPETS] + _STATEMENTS
