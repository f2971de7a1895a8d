# Completion of irsa in fish. Candidates come from the program itself, which reads local files and calls nothing.

function __irsa_complete
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    set -l current (commandline --current-token --cut-at-cursor)
    set -l program (string replace --regex '^~(?=/)' "$HOME" -- $words[1])
    set -l lines (env IRSA_COMPLETE=fish $program -- $words "$current" 2>/dev/null)
    if string match --quiet 'files*' -- "$lines[1]"
        set -l prefix (string replace --regex '^files\t' '' -- $lines[1])
        set -l length (string length -- "$prefix")
        for path in (__fish_complete_path (string sub --start (math $length + 1) -- "$current"))
            printf '%s\n' $prefix$path
        end
    else if test (count $lines) -gt 1
        printf '%s\n' $lines[2..-1]
    end
end

complete --command irsa --no-files --keep-order --arguments '(__irsa_complete)'
