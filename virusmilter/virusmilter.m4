dnl virusmilter(8): refuse mail with worms, viruses and programs.  To be
dnl included in sendmail.mc in front of the MAILER() lines, behind blackmilter,
dnl spfmilter, graymilter and bccmilter.  sendmail asks in the order of the
dnl lines: so nothing is scanned that one of the others refuses.
dnl The socket is the one that the init script and the systemd unit open.
dnl F=T asks clients to come back while the daemon is down: nobody is sent a
dnl worm because of that.  To let mail pass unscanned instead, write F= and give
dnl the daemon -onerror accept, for when it is clamd that is down.
dnl E: is how long a message may take in all; the daemon's -deadline, which is 4
dnl minutes, has to be less.  R: may be shorter, for while clamd works sendmail
dnl is told so once a second.
INPUT_MAIL_FILTER(`virusmilter', `S=unix:/run/virusmilter/virusmilter.sock, F=T, T=C:5s;S:10s;R:1m;E:5m')dnl
