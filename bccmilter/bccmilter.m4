dnl bccmilter(8): mark mail that is not openly addressed to its recipients.  To
dnl be included in sendmail.mc in front of the MAILER() lines, behind
dnl blackmilter, spfmilter and graymilter and before filters that look at
dnl content.  sendmail asks in the order of the lines: so nobody that the others
dnl refuse sends a message, and those behind find its header field, to which
dnl they may give a weight.
dnl The socket is the one that the init script and the systemd unit open.
dnl F= is left empty: while the daemon is down, mail passes unjudged.  F=T asks
dnl clients to come back instead, for the sake of a mark.
dnl T= is short: it asks nobody else, and is sent no body.
INPUT_MAIL_FILTER(`bccmilter', `S=unix:/run/bccmilter/bccmilter.sock, F=, T=C:5s;S:10s;R:10s;E:1m')dnl
