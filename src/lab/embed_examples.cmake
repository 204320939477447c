# cmake -DFOLDER=examples -DFILES=a.yaml,b.yaml -DOUT=x.cc -P embed_examples.cmake
string(REPLACE "," ";" FILES "${FILES}")
set(text "#include \"lab/embedded_examples.h\"\n\nnamespace caracal::lab {\nnamespace {\nconstexpr EmbeddedExample kExamples[] = {\n")
foreach(file IN LISTS FILES)
  # Semicolons and brackets would be read as list syntax; as hexadecimal nothing is.
  file(READ "${FOLDER}/${file}" hex HEX)
  string(REGEX REPLACE "(..)" "\\\\x\\1" bytes "${hex}")
  string(APPEND text "    {\"${file}\", \"${bytes}\"},\n")
endforeach()
string(APPEND text "};\n}  // namespace\nstd::span<const EmbeddedExample> embedded_examples() { return kExamples; }\n}  // namespace caracal::lab\n")
file(WRITE "${OUT}" "${text}")
