# Completion of irsa in bash. Candidates come from the program itself, which reads local files and calls nothing.

_irsa() {
    local head prefix line
    COMPREPLY=()
    {
        IFS= read -r head || return 0
        if [[ $head == files* ]]; then
            prefix=${head#files?}
            compopt -o filenames 2>/dev/null
            while IFS= read -r line; do
                COMPREPLY+=("$line")
            done < <(compgen -f -P "$prefix" -- "${2#"$prefix"}")
            return 0
        fi
        while IFS= read -r line; do
            COMPREPLY+=("$line")
        done
    } < <(IRSA_COMPLETE=bash "${1/#\~/$HOME}" -- "${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/:] ]]; then
        compopt -o nospace 2>/dev/null
    fi
    return 0
}

complete -o nosort -F _irsa irsa 2>/dev/null || complete -F _irsa irsa
