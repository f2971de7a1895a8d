#compdef irsa
# Completion of irsa in zsh. Candidates come from the program itself, which reads local files and calls nothing.

_irsa() {
    local -a lines whole open
    local line word text
    lines=("${(@f)$(IRSA_COMPLETE=zsh ${~words[1]} -- "${(@)words[1,CURRENT-1]}" "$PREFIX" 2>/dev/null)}")
    if [[ $lines[1] == files* ]]; then
        compset -P "${(b)lines[1]#files?}"
        _files
        return
    fi
    for line in "${(@)lines[2,-1]}"; do
        word=${line%%$'\t'*} text=${line#*$'\t'}
        if [[ $word == *[=/:] ]]; then
            open+=("${word//:/\\:}${text:+:$text}")
        else
            whole+=("${word//:/\\:}${text:+:$text}")
        fi
    done
    (( $#whole )) && _describe -V irsa whole
    (( $#open )) && _describe -V irsa open -S ''
    (( $#whole + $#open ))
}

if [[ $funcstack[1] == _irsa ]]; then
    _irsa "$@"
else
    compdef _irsa irsa
fi
