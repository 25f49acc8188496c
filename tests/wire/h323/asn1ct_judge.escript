#!/usr/bin/env escript
%% Reads what per_vectors prints, and lets the module that asn1ct made of the same schema write every
%% value: the octets have to be the same, and have to be read as the same value.
%%   asn1ct_judge.escript FOLDER MODULE < VECTORS

main([Folder, Name]) ->
    true = code:add_patha(Folder),
    Module = list_to_atom(Name),
    ok = io:setopts([binary]),
    {Good, Bad} = judge(Module, 0, 0),
    io:format("~p values agree, ~p do not~n", [Good, Bad]),
    halt(case {Good, Bad} of {0, _} -> 1; {_, 0} -> 0; _ -> 1 end).

judge(Module, Good, Bad) ->
    case file:read_line(standard_io) of
        eof -> {Good, Bad};
        {ok, Line} ->
            [Type, Text, Hex] = binary:split(string:trim(Line), <<"\t">>, [global]),
            case vector(Module, Type, term(Text), binary:decode_hex(Hex)) of
                ok -> judge(Module, Good + 1, Bad);
                Why ->
                    Bad < 20 andalso
                        io:format("~s~n  value ~s~n  ours  ~s~n  ~p~n", [Type, Text, Hex, Why]),
                    judge(Module, Good, Bad + 1)
            end
    end.

vector(Module, TypeName, Value, Ours) ->
    Type = binary_to_atom(TypeName),
    try Module:encode(Type, Value) of
        %% With fragments inside, this decoder of OTP 25 does not find what it has just written itself.
        {ok, Ours} when byte_size(Ours) >= 16384 -> ok;
        {ok, Ours} ->
            case Module:decode(Type, Ours) of
                {ok, Read} ->
                    case normal(Read) =:= normal(Value) of true -> ok; false -> {reads, Read} end;
                Other -> Other
            end;
        {ok, Theirs} -> {writes, binary:encode_hex(Theirs)};
        Other -> Other
    catch Class:Reason -> {Class, Reason}
    end.

%% A character below 256 of a wide string may be a number or a quadruple.
normal({0, 0, 0, C}) -> C;
normal(Value) when is_map(Value) -> maps:map(fun(_, V) -> normal(V) end, Value);
normal(Value) when is_list(Value) -> [normal(V) || V <- Value];
normal({Alternative, Value}) -> {Alternative, normal(Value)};
normal(Value) -> Value.

term(Text) ->
    {ok, Tokens, _} = erl_scan:string(binary_to_list(Text) ++ "."),
    {ok, Term} = erl_parse:parse_term(Tokens),
    Term.
